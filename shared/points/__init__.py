"""Recovery points: locating them, marking them damaged, and rebuilding the catalogue."""
