"""A restore, in the order of its life: begin, copying (or carry), prove, adopt, end; `steps` says which comes when."""
