"""A stand-in for the network service: Neutron's v2.0 API over a document store.

It keeps books (addresses, bindings, rules) and moves no packets.
"""
