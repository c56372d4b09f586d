"""Listing, writing, clearing and comparing the pages of blobs, with a few paced requests at a time."""
