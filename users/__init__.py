"""The I/O shell: Locust users that talk, and what carries them: clock, socket, pacer, microphone."""
