"""Work on the pages of blobs: listed, written, cleared and compared, a few requests at once, at a pace."""
