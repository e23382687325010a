"""What resources look like in answers, one module per resource."""
