"""Reading scenario files: what is taken, what is refused, and what the author is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.criteria import parse
from scenarios import Scenario, ScenarioError, load_scenario, names, parse_scenario
from scenarios.criteria import WHERE_TOLD

BAD = {
    "nothing": ("", "it must be a mapping of keys to values, such as 'load:'"),
    "only a comment": ("# later", "it must be a mapping"),
    "a list": ("- load", "it must be a mapping"),
    "text": ("load", "it must be a mapping"),
    "an unknown key": ("name: x\nlode: 1\n", ", line 2: unknown key lode; did you mean load? allowed there: name, description, load"),
    "an unknown key without a like": ("zzz: 1", ", line 1: unknown key zzz; allowed there: name, "),
    "an unknown key below": ("load:\n  talker: 5\n", ", line 2: unknown key load.talker; did you mean talkers? allowed there: talkers, "),
    "deeper": (
        "conversation:\n  barge_in:\n    every: 2\n",
        ", line 3: unknown key conversation.barge_in.every; allowed there: per_second, not_before_s, share, after_s, cancel",
    ),
    "in a draw": (
        "conversation:\n  turns: {normal: 3}\n",
        ", line 2: unknown key conversation.turns.normal; did you mean lognormal? allowed there: fixed, uniform, exponential, lognormal",
    ),
    "in a lognormal": (
        "conversation:\n  think_s:\n    lognormal: {median: 1, p95: 2, p99: 3}\n",
        ", line 3: unknown key conversation.think_s.lognormal.p99; did you mean p95? allowed there: median, p95",
    ),
    "a key that is no text": ("1: 2", ", line 1: 1: Keys should be strings (found 1)"),
    "a key twice": ("load: {talkers: 1}\nname: x\nload: {talkers: 2}\n", ", line 3: load is there twice: keep one"),
    "a key twice below": ("load:\n  talkers: 1\n  talkers: 2\n", ", line 3: talkers is there twice"),
    "a key twice in a list": ("criteria:\n  - {a: 1, a: 2}\n", ", line 2: a is there twice"),
    "an empty section": ("name: x\nload:\n", ", line 2: load: write its keys below it, indented, or leave it out"),
    "a section that is a value": ("load: 5", ", line 1: load: write its keys below it, indented, or leave it out (found 5)"),
    "a number that is text": ("load: {talkers: many}", ", line 1: load.talkers: Input should be a valid integer (found 'many')"),
    "a number in quotes": ("load:\n  duration_s: '60'\n", ", line 2: load.duration_s: Input should be a valid number (found '60')"),
    "a number that is true": ("load: {talkers: true}", "load.talkers: Input should be a valid integer (found True)"),
    "half a talker": ("load: {talkers: 1.5}", "load.talkers: Input should be a valid integer (found 1.5)"),
    "no talker": ("load: {talkers: 0}", "load.talkers: Input should be greater than or equal to 1 (found 0)"),
    "no time": ("load: {duration_s: 0}", "load.duration_s: Input should be greater than 0 (found 0)"),
    "for ever": ("load: {duration_s: .inf}", "load.duration_s: Input should be a finite number (found inf)"),
    "not a number": ("load: {duration_s: .nan}", "load.duration_s: Input should be a finite number (found nan)"),
    "a share above one": ("session: {vad_threshold: 2}", "session.vad_threshold: Input should be less than or equal to 1 (found 2)"),
    "a switch in words": ("conversation: {barge_in: {cancel: 'yes'}}", "cancel: Input should be a valid boolean (found 'yes')"),
    "text that is a number": ("session: {voice: 5}", "session.voice: Input should be a valid string (found 5)"),
    "a long value": (f"load: {{talkers: {'x' * 200}}}", "(found '" + "x" * 59 + "...)"),
    "a criterion that is no list": ("criteria: success > 95 %", "criteria: write a list (found 'success > 95 %')"),
    "a criterion that is no text": (
        "criteria:\n  - success > 95 %\n  - 5\n",
        ", line 3: criteria.1: Input should be a valid string (found 5)",
    ),
    "no draw": (
        "conversation: {turns: often}",
        "conversation.turns: write a number, or one of fixed, uniform, exponential, lognormal (found 'often')",
    ),
    "a draw that is true": ("conversation: {turns: true}", "conversation.turns: write a number, or one of"),
    "an empty draw": ("conversation: {turns: {}}", "conversation.turns: give exactly one of fixed, uniform, exponential, lognormal"),
    "two draws": ("conversation: {turns: {fixed: 1, exponential: 2}}", "conversation.turns: give exactly one of"),
    "a negative draw": ("conversation: {turns: -1}", "conversation.turns.fixed: Input should be greater than or equal to 0 (found -1)"),
    "an endless draw": ("conversation: {turns: .inf}", "conversation.turns.fixed: Input should be a finite number"),
    "a downward uniform": (
        "conversation: {turns: {uniform: [3, 1]}}",
        "conversation.turns: uniform goes from the lower to the higher bound",
    ),
    "half a uniform": ("conversation: {turns: {uniform: [3]}}", "conversation.turns.uniform.1 is missing"),
    "an exponential of zero": ("conversation: {turns: {exponential: 0}}", "conversation.turns.exponential: Input should be greater than 0"),
    "a lognormal without a median": ("conversation: {turns: {lognormal: {p95: 3}}}", "conversation.turns.lognormal.median is missing"),
    "a lognormal that is a number": (
        "conversation: {turns: {lognormal: 3}}",
        "conversation.turns.lognormal: write {median: ..., p95: ...} (found 3)",
    ),
    "a lognormal upside down": (
        "conversation: {turns: {lognormal: {median: 3, p95: 1}}}",
        "conversation.turns.lognormal: p95 is below the median",
    ),
    "a speaker of only its output": ("speaker: {output_s: 0.5}", "speaker: output_s is part of playout_delay_s and cannot be longer"),
    "a name with a space": ("name: a b", ", line 1: name: String should match pattern"),
    "a name that is a path": ("name: ../x", "name: String should match pattern"),
    "no name": ("name: ''", "name: String should have at least 1 character"),
    "an open bracket": ("name: x\ncriteria: [1,\n", ", line 3: broken YAML: while parsing a flow node, expected the node content"),
    "a tab": ("load:\n\ttalkers: 1\n", ", line 2: broken YAML: while scanning for the next token, found character '\\t'"),
    "two documents": (
        "name: a\n---\nname: b\n",
        ", line 2: broken YAML: expected a single document in the stream, but found another document",
    ),
    "an object": ("name: !!python/object:os.system x", "broken YAML: could not determine a constructor for the tag"),
    "a key that is a list": ("[a]: 1", "broken YAML: while constructing a mapping, found unhashable key"),
    "a date that is none": ("description: 2026-13-45", "broken YAML: month must be in 1..12; put text in quotes"),
    "a control character": ("name: a\0b", "broken YAML: unacceptable character #x0000"),
    "too deep": ("criteria: " + "[" * 3000, "broken YAML: nested too deep"),
    "a circle": ("criteria: &a [*a]", "criteria.0: Input should be a valid string"),
}


@pytest.mark.parametrize("which", BAD)
def test_bad_ones(which: str) -> None:
    text, told = BAD[which]
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "folder/mine.yml", "mine")
    message = str(raised.value)
    assert message.startswith("scenario folder/mine.yml")
    assert told in message
    assert "\n" not in message
    assert len(message) < 400


def test_an_alias_is_looked_at_once() -> None:
    lines = ["a0: &a0 [1]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30))]
    with pytest.raises(ScenarioError, match="unknown key a0"):
        parse_scenario("\n".join(lines), "x.yml", "x")


def test_an_empty_mapping_has_all_defaults_and_the_given_name() -> None:
    assert parse_scenario("{}", "x.yml", "mine") == Scenario(name="mine")


def test_a_whole_one() -> None:
    found = parse_scenario(
        "name: mine\nload: {talkers: 3, duration_s: 10}\nconversation: {turns: 2, think_s: {uniform: [1, 2]}}\n"
        "session: {voice: null, interrupt_response: false}\ncriteria: [success > 95 %]\n",
        "x.yml",
        "x",
    )
    assert (found.name, found.load.talkers, found.load.duration_s, found.load.spawn_per_s) == ("mine", 3, 10.0, 1.0)
    assert (found.conversation.turns.fixed, found.conversation.think_s.uniform) == (2.0, (1.0, 2.0))
    assert (found.session.voice, found.session.interrupt_response, found.criteria) == (None, False, ("success > 95 %",))
    assert Scenario.model_validate(found.model_dump(mode="json")) == found, "as a run folder keeps it"


def test_unknown_name() -> None:
    with pytest.raises(ScenarioError, match=r"^no scenario 'dmo': there are baseline, .*demo.*; or name a \.yml file$"):
        load_scenario("dmo")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.yml", None, "cannot be read: No such file or directory"),
        ("folder.yml", "folder", "cannot be read: Is a directory"),
        ("latin.yaml", b"description: caf\xe9", "cannot be read: it is not UTF-8 text"),
        ("nul\0.yml", None, "cannot be read: embedded null byte"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | str | None, told: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(ScenarioError) as raised:
        load_scenario(str(path))
    assert told in str(raised.value)
    assert name.partition("\0")[0] in str(raised.value)


@pytest.mark.parametrize(("file", "name"), [("mine.yml", "mine"), ("my own (1).yaml", "my-own--1-"), ("x" * 80 + ".yml", "x" * 60)])
def test_without_a_name_it_is_called_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_text("\ufeffload: {talkers: 2}", encoding="utf-8")
    found = load_scenario(str(tmp_path / file))
    assert (found.name, found.load.talkers) == (name, 2)


@pytest.mark.parametrize("name", names())
def test_shipped_scenarios_are_sound(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.description
    plain = [text.removesuffix(WHERE_TOLD) for text in scenario.criteria]
    assert [parse(text).text for text in plain] == plain


def test_names_of_a_folder(tmp_path: Path) -> None:
    for file in ("b.yml", "a.yml", "c.txt"):
        (tmp_path / file).write_text("{}")
    assert names(tmp_path) == ["a", "b"]
    assert load_scenario("a", tmp_path).name == "a"


def test_one_that_is_based_on_another(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("based_on: demo\nload:\n  talkers: 7\nconversation: {turns: {uniform: [2, 3]}}\n")
    (tmp_path / "mine.yml").write_text("based_on: base.yml\nload:\n  duration_s: 5\nconversation:\n  turns: 4\ncriteria: [success > 1 %]\n")
    found, demo = load_scenario(str(tmp_path / "mine.yml")), load_scenario("demo")
    assert (found.name, found.description) == ("mine", ""), "a name is a file's own"
    assert (found.load.talkers, found.load.duration_s, found.load.spawn_per_s) == (7, 5.0, demo.load.spawn_per_s)
    assert found.conversation.turns.fixed == 4.0
    assert found.conversation.barge_in == demo.conversation.barge_in
    assert found.criteria == ("success > 1 %",)
    assert found.place("load", "talkers") == f"scenario {tmp_path / 'base.yml'}, line 3"
    assert found.place("criteria", 0) == f"scenario {tmp_path / 'mine.yml'}, line 6"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("based_on: dmo", "line 1: based_on: no scenario 'dmo': there are "),
        ("name: x\nbased_on: gone.yml", "line 2: based_on: scenario "),
        ("based_on: [demo]", "line 1: based_on: write the name of a scenario, or a .yml file (found ['demo'])"),
        ("based_on: mine.yml", "based_on goes round in circles"),
        ("based_on: demo\nload: {talker: 5}", "mine.yml, line 2: unknown key load.talker"),
    ],
)
def test_what_cannot_be_a_base(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.yml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(str(tmp_path / "mine.yml"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_in_a_base_is_told_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("load:\n  talker: 7\n")
    (tmp_path / "mine.yml").write_text("based_on: base.yml\nload: {duration_s: 5}\n")
    with pytest.raises(ScenarioError, match=r"base\.yml, line 2: unknown key load\.talker"):
        load_scenario(str(tmp_path / "mine.yml"))
