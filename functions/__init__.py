"""The triggers, one blueprint per file. Each makes one call into `shared`."""
