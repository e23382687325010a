"""Chooses hosts: filters, weighers, and the claim that makes a choice true."""
