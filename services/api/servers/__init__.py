"""What the servers resource decides: one module per question, called by thin handlers."""
