"""The author's mistakes, told in one line each."""


class ScenarioError(ValueError):
    """What the user asked for cannot be run. The text says what, where, and what is allowed; whoever runs the command exits with 2."""
