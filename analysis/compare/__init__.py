"""Is B worse than A? Runs against runs or against a baseline: what differs, by how much, and which stage moved first."""
