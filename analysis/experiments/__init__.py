"""A/B experiments: two variants, runs of both in turn, and what differs."""
