"""The pages for users agree with the code: links, options, profile keys, commands; and the example locustfile runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import unpatched  # noqa: F401  before what imports Locust
from pydantic import BaseModel

from assistant.delays import Distribution
from assistant.profile import Profile, profile_names
from assistant.timetable import Changes
from metrics.criteria import parse
from protocol import find
from protocol.__main__ import given
from protocol.alone import violations
from scenarios import load_scenario, parse_scenario
from scenarios.criteria import check_criteria
from users.options import add_options

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCENARIO = """
load: {talkers: 2, spawn_per_s: 10, duration_s: 3, tokens_per_s: 2}
conversation: {turns: 1, think_s: 0.1}
session: {silence_duration_ms: 250}
"""


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


class Options:
    """Stands in for Locust's parser: keeps what is added."""

    def __init__(self) -> None:
        self.added: list[tuple[str, str]] = []

    def add_argument_group(self, *_: str) -> Options:
        return self

    def add_argument(self, flag: str, env_var: str, **_: Any) -> SimpleNamespace:
        self.added.append((flag, env_var))
        return SimpleNamespace()


def test_every_option_is_on_its_page() -> None:
    options: Any = Options()
    add_options(options)
    rows = [line for line in text("docs/options.md").splitlines() if line.startswith("| `--")]
    assert len(options.added) > 5
    for flag, env_var in options.added:
        assert any(line.startswith(f"| `{flag}` | `{env_var}` |") for line in rows), flag


def keys(section: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Each key of a profile with its description."""
    for name, field in section.model_fields.items():
        inner = next((kind for kind in get_args(field.annotation) if isinstance(kind, type)), field.annotation)  # of a list's items
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in (Distribution, Changes):
            yield from keys(inner, f"{above}{name}.")
        else:
            yield above + name, field.description or ""


def test_every_profile_key_is_on_its_page() -> None:
    page = text("docs/assistant.md")
    rows = dict(re.findall(r"^\| `([\w.]+)` \| [^|]* \| ([^|]*) \|$", page, re.MULTILINE))
    for key, description in keys(Profile):
        assert key in rows, key
        assert description.replace("->", "to") in rows[key], key
    assert all(f"`{name}`" in page for name in profile_names())


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|= ?\d+ |\$ )make ([a-z-]+)", text(page), re.MULTILINE))
    assert "test" in named or "demo" in named
    assert named <= targets


def test_the_scenario_in_the_readme_could_run() -> None:
    (text,) = blocks("README.md", "yaml")
    scenario = parse_scenario(text, "README.md", "mine")
    assert [criterion.text for criterion in check_criteria(scenario, parse)] == list(scenario.criteria)
    assert [name for _, name in scenario.load.timetable] == ["calm", "rush"]


def test_options_on_the_command_line_are_those_of_the_page() -> None:
    page = text("docs/dialects.md")
    (bound,) = re.findall(r"^locust .* (--set 'criteria.*)$", page, re.MULTILINE)
    (run,) = re.findall(r"^locust \.\.\. (--set .*)$", page, re.MULTILINE)
    (check,) = re.findall(r"^python -m protocol check raw-pcm \S+ (--option .*)$", page, re.MULTILINE)
    scenario = load_scenario("baseline", changes=[*shlex.split(bound)[1::2], *shlex.split(run)[1::2]])
    assert scenario.criteria == ("e2e_latency p50 < 1200 ms", "success > 95 %")
    assert scenario.session.wire == {"hello": '{"type": "start"}', "clear_type": ""}
    assert given(find("raw-pcm"), shlex.split(check)[1::2]) == scenario.session.wire


def test_a_key_in_another_header(tmp_path: Path) -> None:
    (written,) = blocks("docs/getting-in.md", "python")
    (mine := tmp_path / "keyed.py").write_text(written)
    ours = find(str(mine))
    assert violations(ours) == []
    assert (ours.key_variable, ours().headers(None), ours().headers("k")) == ("VOICE_KEY", {}, {"X-API-Key": "k"})


def test_the_dialect_of_the_page_holds_a_conversation(tmp_path: Path) -> None:
    (written,) = blocks("docs/dialects.md", "python")
    mine, scenario = tmp_path / "my_dialect.py", tmp_path / "short.yml"
    mine.write_text(written)
    scenario.write_text(
        SCENARIO.replace("duration_s: 3, tokens_per_s: 2", "duration_s: 6") + "criteria: [success > 50 %, asr_processing p50 < 1 s]\n"
    )
    assert len(written.splitlines()) < 100
    ours = find(str(mine))
    assert violations(ours) == []
    types = (
        "ready_type=hello&speech_started_type=listening&speech_stopped_type=thinking&transcript_type=heard&begins_type=begin&ends_type=end"
    )
    place = f"raw?json=true&type_field=kind&audio_field=pcm&clear_type=stop&{types}"
    with served() as host:
        locust = [sys.executable, "-m", "locust", "--headless", "--scenario", str(scenario), "--dialect", str(mine), "--auth", "none"]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "DOUBLETALK_"))}
        runs = ["--host", f"{host}/{place}", "--runs", str(tmp_path / "runs"), "--no-report"]
        done = subprocess.run([*locust, *runs], cwd=ROOT, capture_output=True, text=True, timeout=120, env=env, check=False)
    unfit = "INVALID: the tester was not fit" in done.stdout  # on a busy machine
    assert done.returncode == (1 if unfit else 0), done.stdout + done.stderr
    (found,) = (tmp_path / "runs").glob("*/run.json")
    run = json.loads(found.read_text())
    assert set(run["untold"]) == {"llm_ttft", "tts_processing", "stage_residual", "playback_stop", "buffer_flush", "barge_in_latency"}
    assert run["totals"]["turns.utterance.completed"] >= 1
    assert "- llm_ttft: on the wire ours the assistant does not tell the words of a response" in done.stdout


@contextmanager
def served() -> Iterator[str]:
    """The reference assistant on a free port."""
    command = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split("listening on ")[1].split(",")[0]
        finally:
            process.terminate()


def test_the_example_locustfile_runs(tmp_path: Path) -> None:
    example, sink = blocks("docs/events.md", "python")
    rows, mine, scenario = tmp_path / "rows.jsonl", tmp_path / "mine.py", tmp_path / "short.yml"
    assert '"turns.jsonl"' in sink
    mine.write_text(example + sink.replace('"turns.jsonl"', repr(str(rows))))
    scenario.write_text(SCENARIO)
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal"]
    locust = [sys.executable, "-m", "locust", "-f", str(mine), "--headless", "--scenario", str(scenario), "--runs", str(tmp_path / "runs")]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "DOUBLETALK_"))}
    done = subprocess.run([*assistant, "--", *locust], cwd=ROOT, capture_output=True, text=True, timeout=120, env=env, check=False)
    unfit = "INVALID: the tester was not fit" in done.stdout  # on a busy machine
    assert done.returncode == (1 if unfit else 0), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    turns = re.findall(r"^utterance of talker \d, .*: completed, answered after \d+ ms$", done.stdout, re.MULTILINE)
    assert turns
    assert re.search(r"^token for talker: minted after [\d.]+ ms$", done.stdout, re.MULTILINE)
    assert re.search(r"^token for token_minter: minted after [\d.]+ ms$", done.stdout, re.MULTILINE)
    assert re.search(r"^session of talker \d: \w+ after 1 turns$", done.stdout, re.MULTILINE)
    kept = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len(kept) == len(turns)
    assert all(row["outcome"] == "completed" and row["e2e_latency_s"] > 0 for row in kept)
