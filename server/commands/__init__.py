"""`tacit-server`'s commands."""
