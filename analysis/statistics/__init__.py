"""What can be said of all callers from those that were measured. The sampling unit is the session: turns of one resemble one another."""
