"""The commands of `python -m analysis`, a module each, imported when it is asked for: what one needs does not slow another down.

Each module has `arguments(parser)`, which adds its own to a parser, and `run(chosen) -> int`, which returns the exit code and may raise
RunError.
"""

from __future__ import annotations

COMMANDS = {
    "baseline": "keep what a run came to in a file, or tell whether a run is worse than that",
    "compare": "tell whether runs are worse than others, and which stage moved",
    "summary": "print the run's summary",
    "recover": "make a run of what a killed one left behind, and print its summary",
}
"""Each command's module in this package, and what it does."""
