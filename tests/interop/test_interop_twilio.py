"""Our talkers call a bot that is made of Pipecat's serializer for Twilio; Twilio's own library checks their signature.

Twilio publishes no client and no types of the media streams' wire: its packages hold REST, TwiML and the validator of signatures. What the
bots of its users are made of is the nearest there is.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from interop_environment import CLIENTS, PATIENCE_S, ROOT, python_with

pytestmark = pytest.mark.interop

TOKEN = "an-auth-token-of-nobody"
SCENARIO = """
load: {talkers: 1, spawn_per_s: 1, duration_s: 40}
conversation: {turns: 3, think_s: 0.4, barge_in: {share: 1.0, after_s: 0.8}}
session: {wire: {parameters: "from=%2B15550100&campaign=spring"}}
"""


def test_a_bot_of_pipecats_answers_and_is_interrupted(tmp_path: Path) -> None:
    python = python_with("pipecat-ai>=1.10,<2", "twilio>=9,<10", "websockets>=14,<18")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bot = subprocess.Popen(
        [str(python), str(CLIENTS / "twilio_client.py"), str(port), TOKEN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert bot.stdout is not None
        assert bot.stderr is not None
        line = bot.stdout.readline()
        assert "listening" in line, bot.stderr.read()[-3000:]
        talked = _call(tmp_path, port)
        seen = json.loads(bot.communicate(timeout=PATIENCE_S)[0].splitlines()[-1])
    finally:
        bot.kill()
    turns = pd.read_parquet(next((tmp_path / "runs").glob("*")) / "turns.parquet")
    interrupted, barge_ins = turns[turns["outcome"] == "interrupted"], turns[turns["kind"] == "barge_in"]
    assert len(turns[turns["outcome"] == "completed"]) >= 1, talked
    assert len(interrupted) >= 1, talked
    assert len(barge_ins) >= 1
    stops = (barge_ins["stop_event_ns"] - barge_ins["speech_onset_ns"]).dropna() / 1e9
    assert len(stops) >= 1
    assert stops.between(0.0, 2.0).all()
    assert (seen["kind"], seen["genuine"]) == ("twilio", True)
    assert seen["data"]["body"] == {"from": "+15550100", "campaign": "spring"}
    assert seen["data"]["stream_id"].startswith("MZ")
    events = seen["events"]
    assert [one["event"] for one in events[:3]] == ["connected", "start", "media"]
    assert events[-1]["event"] == "stop"
    assert [int(one["sequenceNumber"]) for one in events[1:]] == list(range(1, len(events)))
    media = [one["media"] for one in events if one["event"] == "media"]
    assert [int(one["chunk"]) for one in media] == list(range(1, len(media) + 1))
    assert [int(one["timestamp"]) for one in media] == [20 * k for k in range(len(media))]
    assert abs(seen["heard_s"] - 0.02 * len(media)) < 0.5  # the resampler keeps some
    assert seen["sent"]["clear"] >= 1
    marks = [one["mark"]["name"] for one in events if one["event"] == "mark"]
    assert marks == [f"answer-{k}" for k in range(len(marks))]
    assert len(marks) >= 1


def _call(folder: Path, port: int) -> str:
    """One talker of ours calls the bot; what the run printed."""
    scenario = folder / "calls.yml"
    scenario.write_text(SCENARIO)
    locust = [sys.executable, "-m", "locust", "--headless", "--scenario", str(scenario), "--dialect", "twilio", "--no-report"]
    key = ["--auth", "key", "--api-key-env", "TWILIO_AUTH_TOKEN"]
    where = ["--host", f"ws://127.0.0.1:{port}/ws", "--runs", str(folder / "runs")]
    env = {**os.environ, "TWILIO_AUTH_TOKEN": TOKEN}
    done = subprocess.run([*locust, *key, *where], cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert "Run folder: " in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    assert TOKEN not in done.stdout + done.stderr
    return done.stdout
