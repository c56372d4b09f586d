"""The status page: who may look, and what is answered."""
