"""The request pipeline: what every HTTP request passes before and after its handler.

`pipeline.py` has the order; each other module is one stage of it.
"""
