"""Every alert fires once its condition has held for as long as it says, with its labels and words, and not below its bound; by promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring_cases import CASES, Case, Series

from monitoring.alerts import RULES, Alert, alerts

ALERTS = {alert.name: alert for alert in alerts()}
STEP_S = 15
FIRST = ["recorded.yml", "machine.yml", "assistant.yml", "tester.yml"]
"""Promtool judges groups in this order at every step, so that an alert sees what was recorded at the same instant."""
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs the system package prometheus")


def seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))


def expected(case: Case, alert: Alert) -> dict[str, Any]:
    told = {"summary": case.summary, "action": alert.action, "source": alert.source}
    return {"exp_labels": {**case.labels, **alert.labels}, "exp_annotations": told}


def unit_test(given: Series, checks: list[tuple[int, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    return {
        "interval": f"{STEP_S}s",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "alert_rule_test": [{"eval_time": f"{at}s", "alertname": name, "exp_alerts": exp} for at, name, exp in checks],
    }


def unit_tests() -> list[dict[str, Any]]:
    tests = []
    for case in CASES:
        alert = ALERTS[case.alert]
        lasts = seconds(alert.lasts)
        early = [(lasts - STEP_S, alert.name, [])] if lasts else []
        late = max(120, lasts + 60)
        tests.append(unit_test(case.fires, [*early, (late, alert.name, [expected(case, alert)])]))
        tests += [unit_test(quiet, [(max(120, lasts + 60), alert.name, [])]) for quiet in case.quiet]
    return tests


def promtool(tmp_path: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    assert sorted(FIRST) == sorted(path.name for path in RULES.glob("*.yml"))
    file = tmp_path / "tests.yml"
    whole = {"rule_files": [str(RULES / name) for name in FIRST], "evaluation_interval": f"{STEP_S}s", "tests": tests}
    whole["group_eval_order"] = [g["name"] for name in FIRST for g in yaml.safe_load((RULES / name).read_text())["groups"]]
    file.write_text(yaml.safe_dump(whole))
    return subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=120, check=False)


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)
    assert Counter(alert.name for alert in alerts()).most_common(1)[0][1] == 1


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    done = promtool(tmp_path, unit_tests())
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_tells_an_alert_that_should_not_fire(tmp_path: Path) -> None:
    case = CASES[0]
    done = promtool(tmp_path, [unit_test(case.fires, [(600, case.alert, [])])])
    assert done.returncode != 0
    assert case.summary in done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_an_alert_says_how_bad_it_is_what_it_is_about_and_what_to_do(alert: Alert) -> None:
    assert alert.severity in ("critical", "warning", "info")
    assert alert.labels["about"] in ("assistant", "service", "machine", "tester", "monitoring")
    assert alert.action.endswith(".") and len(alert.action) > 30
    assert alert.source.split()[0] in ("SD", "MG", "LX", "LG", "Doubletalk")
