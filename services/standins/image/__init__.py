"""A stand-in for the image service: Glance's v2 API over a document store and plain files."""
