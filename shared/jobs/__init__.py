"""What all jobs share: requests, the step loop, and poisoned or unreadable messages."""
