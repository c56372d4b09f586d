"""A verify or a drill, in the order of its life: begin, promote (a drill), compare, conclude, end; `steps` has them."""
