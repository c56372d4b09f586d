"""The retention: which recovery points go, on record before they go; and how one is deleted."""
