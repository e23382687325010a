"""Breaking a throw-away cluster on purpose and counting what it did about it."""
