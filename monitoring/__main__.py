"""`python -m monitoring`: writes the dashboards, the recording rules and the table of alerts in docs/monitoring.md anew."""

from __future__ import annotations

import sys
from pathlib import Path

from monitoring.alerts import page
from monitoring.dashboards import dashboards
from monitoring.recording import rules

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "monitoring.md"


def files() -> dict[Path, str]:
    """Every generated file and what belongs into it. Raises ValueError where the page has lost its markers."""
    made = {HERE / "grafana" / "dashboards" / name: text for name, text in dashboards().items()}
    made[HERE / "prometheus" / "rules" / "recorded.yml"] = rules()
    made[PAGE] = page(PAGE.read_text(encoding="utf-8"))
    return made


def main() -> int:
    """Exit code: 0, or 2 where something cannot be written."""
    try:
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"doubletalk: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
