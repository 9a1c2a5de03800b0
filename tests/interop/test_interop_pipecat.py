"""Pipecat both ways: its own client and our assistant, our talkers and a bot of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from interop_environment import CLIENTS, ROOT, assistant, held, python_with, questions, told, wav

from audio import ClipKind, load_corpus

pytestmark = pytest.mark.interop
PIPECAT = "pipecat-ai[websocket]>=1.14,<2"
SCENARIO = """
load: {talkers: 2, spawn_per_s: 4, duration_s: 25}
conversation: {turns: 4, think_s: 0.3, barge_in: {share: 0.5, after_s: 1.0}}
"""


def test_pipecats_client_converses_with_the_assistant(tmp_path: Path) -> None:
    python = python_with(PIPECAT)
    with assistant(tmp_path, profile="ideal") as (url, truth):
        saw = held(python, "pipecat_client.py", f"{url}/start", *map(str, questions(tmp_path, 16_000)))
    first, second = told(truth, "response")
    assert (first["status"], second["status"]) == ("cancelled", "completed")
    assert [one["reaction"] for one in told(truth, "barge_in")] == ["cancelled"]
    spoken_s = (first["audio_samples"] + second["audio_samples"]) / 24_000
    assert saw["audio_s"] == pytest.approx(spoken_s, abs=0.1)
    heard = saw["told"]
    interrupted = heard.index("interruption")
    before, after = heard[:interrupted], heard[interrupted:]
    assert before[0] == "bot-ready"
    order = ["user-started-speaking", "user-stopped-speaking", "bot-llm-started", "bot-llm-text", "bot-started-speaking"]
    places = [before.index(what) for what in order]
    assert places == sorted(places)
    assert "audio" in before
    assert after.index("bot-stopped-speaking") < after.index("bot-llm-started") < after.index("bot-started-speaking")
    assert heard.count("bot-stopped-speaking") == 2


@contextmanager
def bot(python: Path, folder: Path) -> Iterator[str]:
    """A Pipecat bot that answers with a clip of ours: its URL."""
    answer = wav(load_corpus(rate=24_000).of(ClipKind.ANSWER)[0], 24_000, folder / "answer.wav")
    with (folder / "bot.log").open("w") as log:
        command = [str(python), str(CLIENTS / "pipecat_bot.py"), str(answer)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listening on" in line, (folder / "bot.log").read_text()
        yield line.split("listening on ")[1].strip()
    finally:
        process.terminate()
        process.wait(30)


def test_talkers_converse_with_a_bot_of_pipecats(tmp_path: Path) -> None:
    python = python_with(PIPECAT, "uvicorn>=0.35,<1")
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(SCENARIO)
    with bot(python, tmp_path) as url:
        options = ["--dialect", "pipecat", "--auth", "none", "--host", url, "--scenario", str(scenario), "--runs", str(tmp_path / "runs")]
        command = [sys.executable, "-m", "locust", "--headless", *options]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "DOUBLETALK_NO_REPORT": "1"}, capture_output=True, text=True, timeout=90
        )
    (run,) = (tmp_path / "runs").iterdir()
    turns, sessions = pd.read_parquet(run / "turns.parquet"), pd.read_parquet(run / "sessions.parquet")
    assert sessions["malformed_messages"].sum() == 0, done.stderr[-2000:]
    assert sessions["unknown_events"].sum() == 0
    over = turns[turns["outcome"] != "cut_by_run_end"]
    assert set(over["outcome"]) == {"completed", "interrupted"}, over["outcome"].value_counts()
    assert len(over) >= 4
    barge_ins = over[over["kind"] == "barge_in"]
    assert set(barge_ins["barge_in_class"]) == {"cancelled_by_server"}
    assert (barge_ins["stop_by_ear_s"] < 1.0).all()
    whole = over[over["outcome"] == "completed"]
    answer_s = load_corpus(rate=24_000).of(ClipKind.ANSWER)[0].duration_s
    assert whole["audio_s"].to_numpy() == pytest.approx(answer_s, abs=0.1)
    assert (whole["speech_stopped_ns"] <= whole["response_created_ns"]).all()
    assert (whole["response_created_ns"] <= whole["first_audio_ns"]).all()
