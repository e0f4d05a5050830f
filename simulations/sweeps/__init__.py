"""Many runs over any settings: what a sweep is, the presets, running one, and the tidy table of what came of it."""
