"""The steps of `continue_restore`, in their order: begin, promote and copy back (or carry), prove, adopt, end."""
