"""Access to Azure, a thin layer: the seam that the simulation replaces."""
