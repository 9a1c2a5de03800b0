"""The recording rules made from the catalogue: every aggregate that has a target, over the last five minutes."""

from __future__ import annotations

import yaml

from monitoring.promql import recorded

_HEADER = "# Every aggregate of which the catalogue has a target, over the last five minutes. Made by `make monitoring`.\n"


def rules() -> str:
    """The rule file, as YAML."""
    group = {"name": "targets", "rules": [{"record": name, "expr": expr} for name, expr in recorded()]}
    text: str = yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000)
    return _HEADER + text
