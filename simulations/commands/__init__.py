"""`tacit-sim`'s groups of commands; `simulations.cli` puts them together."""
