"""Change lists: page ranges, which of them to sample, and how fast to apply them. Pure functions of values."""
