"""The compute agent against a scripted conductor, on real bus semantics and the real driver."""
