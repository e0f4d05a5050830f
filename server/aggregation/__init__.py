"""Aggregation methods, one a file: from the updates of a cohort to the one that the server steps along."""
