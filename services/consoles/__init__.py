"""The console proxy: from a token to a guest's console, bytes both ways."""
