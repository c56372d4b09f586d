"""What recovery points hold alone, and what deleting them frees."""
