"""The steps of `continue_inspection`, in their order: begin, promote (a drill only), compare, conclude."""
