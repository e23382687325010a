"""Who Muster is to its neighbours, and who a caller is to Muster."""
