"""Request schemas, one module per resource, composed per microversion from the parts in `parts`
and `query`."""
