"""Access to Azure: a thin layer, and the seam that the simulation replaces."""
