"""A sweep's file: the runs that it comes to, what each is started with, and mistakes told with their line."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.files import RunError
from analysis.sweep import manifest
from analysis.sweep.manifest import Cell, Manifest
from analysis.sweep.plan import Assistant, Plan, cells, filled, locust_options, over, plan, profile, read
from analysis.sweep.run import begin

FILE = """
scenario: demo
seed: 7
repeats: 3
set: {load.talkers: 4}
options: {tls-insecure: true, arrivals: user}
over:
  session.vad_threshold: [0.3, 0.5, 0.7]
  options.frame-ms: [20, 60]
assistant:
  command: python -m assistant --port {port} --profile {profile}
  env: {KEY: hunter2}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vad.yml"
    path.write_text(FILE)
    return path


def test_each_repeat_has_each_combination_once_in_an_order_of_its_own(file: Path) -> None:
    planned = cells(read(file))
    assert [cell.number for cell in planned] == list(range(1, 19))
    assert [cell.repeat for cell in planned] == [1] * 6 + [2] * 6 + [3] * 6
    assert {(cell.repeat, cell.seed) for cell in planned} == {(1, 7), (2, 8), (3, 9)}, "those of a repeat meet the same talkers"
    orders = [[json.dumps(cell.settings) for cell in planned if cell.repeat == repeat] for repeat in (1, 2, 3)]
    assert set(Counter(order for repeat in orders for order in repeat).values()) == {3}
    assert orders[0] != orders[1] != orders[2], "what drifts does not meet one setting first each time"
    assert planned == cells(read(file)), "the same plan, the same order: it can go on where it was broken off"


def test_what_locust_is_told(file: Path) -> None:
    line = locust_options(read(file), {"session.vad_threshold": 0.3, "options.frame-ms": 60})
    assert line == [
        "--tls-insecure",
        "--arrivals",
        "user",
        "--frame-ms",
        "60",
        "--set",
        "load.talkers=4",
        "--set",
        "session.vad_threshold=0.3",
    ]


@pytest.mark.parametrize(
    ("axis", "value", "told"),
    [
        ("session.vad_threshold", 0.3, ["--set", "session.vad_threshold=0.3"]),
        ("speaker.playout_delay_s", 0.2, ["--set", "speaker.playout_delay_s=0.2"]),
        ("conversation.barge_in.share", 0.5, ["--set", "conversation.barge_in.share=0.5"]),
        ("conversation.think_s", {"uniform": [1, 3]}, ["--set", 'conversation.think_s={"uniform": [1, 3]}']),
        ("session.interrupt_response", False, ["--set", "session.interrupt_response=false"]),
        ("options.frame-ms", 40, ["--frame-ms", "40"]),
        ("options.tls-insecure", True, ["--tls-insecure"]),
        ("options.tls-insecure", False, []),
    ],
)
def test_an_axis_as_locust_is_told_of_it(axis: str, value: Any, told: list[str]) -> None:
    made = plan({"name": "x", "scenario": "demo", "host": "http://h", "over": {axis: [value]}}, "here")
    assert locust_options(made, cells(made)[0].settings) == told


def test_the_assistants_profile_is_changed_key_by_key() -> None:
    assistant = {"command": "x {profile} {port}", "profile": {"like": "demo", "llm": {"delay": {"fixed": 1}}}}
    axes = {"profile.llm.delay": [{"fixed": 2}], "profile.tts.delay.fixed": [0.1]}
    made = plan({"name": "x", "scenario": "demo", "assistant": assistant, "over": axes}, "here")
    assert profile(made, cells(made)[0].settings) == {"like": "demo", "llm": {"delay": {"fixed": 2}}, "tts": {"delay": {"fixed": 0.1}}}
    assert made.assistant is not None
    assert made.assistant.profile == assistant["profile"]
    named = plan(
        {
            "name": "x",
            "scenario": "demo",
            "assistant": {"command": "{profile}"},
            "over": {"profile.pace": [2], "assistant.profile": ["ideal"]},
        },
        "",
    )
    assert profile(named, cells(named)[0].settings) == {"like": "ideal", "pace": 2}


def test_braces_that_name_nothing_stay() -> None:
    assert filled("a {port} {model} '{{}}' {other}", {"port": 80, "model": "small"}) == "a 80 small '{{}}' {other}"


def test_axes_of_the_command_line() -> None:
    assert over(["load.talkers=5,10", "network=[3g, null]", "x={uniform: [1, 2]}"]) == {
        "load.talkers": [5, 10], "network": [["3g", None]], "x": [{"uniform": [1, 2]}],
    }  # fmt: skip
    for wrong in ("load.talkers", "load.talkers=", "=5", "a=[1"):
        with pytest.raises(RunError, match=r"^--over .*: write it as load\.talkers=5,10,20"):
            over([wrong])


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("seed: 7", "sed: 7", "vad.yml, line 3: sed: unknown key; there are name, scenario, seed, repeats,"),
        ("repeats: 3", "repeats: 0", "vad.yml, line 4: repeats: input should be greater than or equal to 1"),
        ("repeats: 3", "repeats: 100\nlimit_s: 5", None),
        ("[20, 60]", "[20, 20]", "line 9: over: options.frame-ms: 20 is there twice: keep one"),
        ("[20, 60]", "20", "line 9: over.options.frame-ms: input should be a valid list"),
        ("[20, 60]", "[]", "line 9: over.options.frame-ms: list should have at least 1 item"),
        ("options.frame-ms", "options.--frame-ms", "line 9: over: options.--frame-ms: write it without the dashes in front"),
        ("options.frame-ms", "options.runs", "line 9: over: options.runs: a sweep sets it by itself"),
        ("arrivals: user", "host: x", "line 6: options: host: a sweep sets it by itself"),
        ("options.frame-ms", "assistant.model", "line 9: over: assistant.model: assistant.command has no {model} that it could fill"),
        ("options.frame-ms", "assistant.port", "line 9: over: assistant.port: a sweep fills in port by itself"),
        ("[0.3, 0.5, 0.7]", str(list(range(400))), "line 7: over: these are 2400 runs; 1000 are the most"),
        ("assistant:", "host: http://h\nassistant:", "host: leave it out: the assistant that is started has a host of its own"),
        ("  command: python", "  comand: python", "assistant.command: field required"),
        ("scenario: demo", "scenario: [demo", "broken YAML"),
    ],
)
def test_mistakes_are_told_with_their_line(file: Path, was: str, becomes: str, says: str | None) -> None:
    assert was in FILE
    file.write_text(FILE.replace(was, becomes))
    if says is None:
        assert read(file).limit_s == 5
        return
    with pytest.raises(RunError) as told:
        read(file)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("text", "says"), [("- a", "it must be a mapping"), (None, "cannot be read: No such file")])
def test_what_is_no_sweep_at_all(tmp_path: Path, text: str | None, says: str) -> None:
    if text:
        (tmp_path / "x.yml").write_text(text)
    with pytest.raises(RunError, match=says):
        read(tmp_path / "x.yml")


def test_an_axis_of_an_assistant_that_is_not_started() -> None:
    with pytest.raises(RunError, match=r"over: assistant\.model: there is no assistant\.command that it could change"):
        plan({"name": "x", "scenario": "demo", "host": "http://h", "over": {"assistant.model": [1]}}, "here")


def test_the_list_is_read_as_it_was_written_and_holds_no_secret(file: Path, tmp_path: Path) -> None:
    begun = begin(read(file), tmp_path / "out")
    manifest.write(tmp_path / "out", begun)
    assert manifest.read(tmp_path / "out") == begun
    assert "hunter2" not in (tmp_path / "out" / manifest.FILE).read_text()
    assert manifest.done(begun) == []
    assert begin(read(file), tmp_path / "out") == begun


def test_what_was_not_valid_is_run_again_where_that_is_asked_for(file: Path, tmp_path: Path) -> None:
    begun = begin(read(file), tmp_path)
    done = [replace(cell, folder=f"{cell.number}/run", code=1, valid=cell.number != 2) for cell in begun.cells[:3]]
    manifest.write(tmp_path, replace(begun, cells=(*done, *begun.cells[3:])))
    assert len(manifest.done(begin(read(file), tmp_path))) == 3
    assert [cell.number for cell in manifest.done(begin(read(file), tmp_path, again=True))] == [1, 3]


def test_another_sweep_is_not_written_over(file: Path, tmp_path: Path) -> None:
    manifest.write(tmp_path, begin(read(file), tmp_path))
    file.write_text(FILE.replace("0.7", "0.8"))
    with pytest.raises(RunError, match="a sweep with another over is there; choose another --out"):
        begin(read(file), tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "sweep.json: missing; name the folder that a sweep was made in"),
        ("{", "sweep.json: broken"),
        ("[]", "sweep.json: broken"),
        ('{"schema_version": 1, "name": "x"}', "sweep.json: broken: 'cells'"),
        ('{"schema_version": 9}', "sweep of schema version 9; this reader knows 1"),
    ],
)
def test_a_broken_list_is_told(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / manifest.FILE).write_text(text)
    with pytest.raises(RunError) as told:
        manifest.read(tmp_path)
    assert says in str(told.value)


def test_a_cell_for_people() -> None:
    cell = Cell(1, {"a": 0.5, "b": "x", "c": {"fixed": 1}}, 2, 3)
    assert cell.told == 'a=0.5, b=x, c={"fixed": 1}, repeat 2'
    assert manifest.done(Manifest("n", "s", {}, {}, (cell,))) == []


def test_the_example_in_the_documentation_is_a_sweep() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    made = plan({"name": "vad", **yaml.safe_load(example)}, "docs/sweeps.md", example)
    assert f"vad: {len(cells(made))} runs of {made.scenario}" in page
    for key in [*Plan.model_fields, *(f"assistant.{name}" for name in Assistant.model_fields)]:
        assert f"`{key}`" in page or key == "assistant", key
