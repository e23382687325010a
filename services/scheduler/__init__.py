"""Proposes hosts: filters, weighers, and what has just been promised."""
