"""Every message on the wire, frozen, versioned and append-only. One module per topic."""
