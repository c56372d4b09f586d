"""Identities on this machine: certificates, tokens, and the endpoint where a function app gets its tokens."""
