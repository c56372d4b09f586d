"""A restore, in the order of its life: request, begin, copying (or carry), prove, adopt, end."""
