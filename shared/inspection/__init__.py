"""A verify or a drill, in the order of its life: request, begin, promote (a drill only), compare, conclude, end."""
