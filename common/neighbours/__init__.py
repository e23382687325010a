"""The services next to Muster, as far as Muster uses them: typed calls over common/auth/session."""
