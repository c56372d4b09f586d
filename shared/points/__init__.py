"""Recovery points: where they are, how they are marked, and how the catalogue of them is rebuilt."""
