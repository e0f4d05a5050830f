"""What a person types: one module a group of `tacit`'s commands. `client.cli` puts them together."""
