"""Who the simulated devices belong to: the embedded world, and loaders for real data."""
