"""The reference voice assistant: a target for load tests that knows the truth about itself."""
