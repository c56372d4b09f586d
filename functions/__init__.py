"""The triggers, one blueprint per file. Each makes a single call into `shared`."""
