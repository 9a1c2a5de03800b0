"""The commands of `python -m analysis`, a module each, imported when it is asked for: what one needs does not slow another down.

Each module has `arguments(parser)`, which adds its own to a parser, and `run(chosen) -> int`, which returns the exit code and may raise
RunError.
"""

from __future__ import annotations

COMMANDS = {
    "baseline": "keep what a run came to in a file, or tell whether a run is worse than that",
    "compare": "tell whether runs are worse than others, and which stage moved",
    "experiment": "run two variants in turn, and tell what differs",
    "summary": "print the run's summary",
    "report": "write what the run came to as a page and as Markdown",
    "recover": "make a run of what a killed one left behind, and print its summary",
    "sweep": "run a scenario over a grid of settings",
    "paper": "write tables and figures for a paper, in LaTeX, CSV and PDF",
    "words": "print how many words the assistant misheard",
    "capacity": "say how many callers the target holds, where it bends, and what gives in first",
    "cost": "say what calls cost, by component, from a file of prices",
    "trend": "say since which run of a history a metric is better or worse, and what stood out within the last one",
}
"""Each command's module in this package, and what it does."""
