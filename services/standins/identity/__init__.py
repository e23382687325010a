"""A stand-in for the identity service: Keystone's v3 API over a document store."""
