"""A distribution of its own that knows nothing of `rationale` but its public contracts."""
