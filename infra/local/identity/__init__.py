"""Identities on this machine: certificates, tokens, and the endpoint that gives a function app its tokens."""
