"""A verify or a drill, one module per step: begin, promote (a drill), compare, conclude, end. `steps` lists them."""
