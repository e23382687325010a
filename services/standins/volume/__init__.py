"""A stand-in for the volume service: Cinder's v3 API over a document store.

It keeps books (sizes, types, who is attached) and stores no bytes.
"""
