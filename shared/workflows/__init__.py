"""The steps of a run, one file each, named as the function that starts it. Each step is short, and safe to repeat."""
