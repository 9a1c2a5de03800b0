"""docs/scenarios.md is what the model says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

from scenarios import names, parse_scenario
from scenarios.docs import page
from scenarios.model import Scenario

COMMITTED = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_committed_page_is_what_the_code_prints(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("scenarios", run_name="__main__")
    assert capsys.readouterr().out == page()
    assert COMMITTED.read_text(encoding="utf-8") == page(), "run `make docs`"


def leaves(plain: dict, above: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in plain.items():
        is_draw = isinstance(value, dict) and "lognormal" in value
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) and value and not is_draw else {f"{above}{key}"}
    return found


def rows() -> dict[str, list[str]]:
    return {m[1]: m[2].split(" | ") for m in re.finditer(r"^\| `([\w.]+)` \| (.+ \| .+ \| .+) \|$", page(), re.M)}


def test_every_key_is_listed_and_described() -> None:
    assert set(rows()) == leaves(Scenario(name="x").model_dump())
    assert all(len(cells) == 3 and all(cells) for cells in rows().values())


def test_defaults_are_those_of_the_model() -> None:
    """Written into a file key by key, they make the scenario that an empty file makes."""
    plain: dict = {}
    for path, (_, default, _) in rows().items():
        *above, key = path.split(".")
        place = plain
        for part in above:
            place = place.setdefault(part, {})
        if path != "name":
            place[key] = yaml.safe_load(default.strip("`"))
    assert parse_scenario(yaml.safe_dump(plain), "x.yml", "x") == parse_scenario("{}", "x.yml", "x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "text, 1 to 60 characters"),
        ("load.talkers", "whole number, at least 1"),
        ("load.duration_s", "number, above 0"),
        ("conversation.think_s", "draw"),
        ("conversation.false_alarms.noise", "number, 0 to 1"),
        ("session.prefix_padding_ms", "whole number, 0 to 5000, or `null`"),
        ("session.voice", "text, or `null`"),
        ("session.interrupt_response", "`true` or `false`"),
        ("speaker.playout_delay_s", "number, 0 to 5"),
        ("criteria", "list of text"),
    ],
)
def test_values(key: str, value: str) -> None:
    assert rows()[key][0] == value


def test_the_forms_of_a_draw_are_understood() -> None:
    section = page().split("## Draws")[1].split("##")[0]
    forms = re.findall(r"^\| `(.+)` \| ", section, re.M)
    assert len(forms) == 5
    for form in forms:
        parse_scenario(f"conversation: {{think_s: {form}}}", "x.yml", "x")


def test_shipped_scenarios_and_an_example() -> None:
    text = page()
    assert all(f"| `{name}` | " in text for name in names())
    example = re.search(r"```yaml\n(.+?)```", text, re.S)
    assert example is not None
    assert parse_scenario(example[1], "x.yml", "x").name == "demo"
