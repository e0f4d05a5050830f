"""Flower strategies: which devices are asked in a round, and what becomes of their replies."""
