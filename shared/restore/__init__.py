"""A restore, one module per step: begin, copying (or through_function), prove, adopt, end. `steps` lists them."""
