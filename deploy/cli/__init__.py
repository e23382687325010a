"""The `./muster` command line."""
