"""Small identity, image, network and volume services, so that a local cluster is whole.

Each speaks the HTTP API of the OpenStack service it stands in for, and each can be replaced by
that service through the service catalog.
"""
