"""One contract, run on every adapter of the bus."""
