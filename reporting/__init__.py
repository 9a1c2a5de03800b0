"""Where records go: Locust's statistics, the run folder, the console. Knows nothing of talkers: it listens to their events."""
