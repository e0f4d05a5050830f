"""One run of a federation, from configuration to figures, and the directory that it leaves."""
