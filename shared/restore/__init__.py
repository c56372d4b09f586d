"""A restore, a module per step: begin, save, copying (or through_function), prove, adopt, end, expire; see `steps`."""
