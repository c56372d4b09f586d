"""The release that this code is of."""

VERSION = "0.1.0"
"""As in `pyproject.toml`, which is not deployed."""
