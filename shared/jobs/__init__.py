"""What holds for all work that messages step forward."""
