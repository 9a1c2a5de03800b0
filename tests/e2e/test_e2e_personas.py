"""Two personas in one run: one in a café, patient; one with little patience, against an assistant that answers too late for it."""

from __future__ import annotations

import os

import pytest
from harness import Done, run

SCENARIO = """
load: {talkers: 4, spawn_per_s: 4, duration_s: 12}
conversation: {turns: 3, think_s: 0.3, between_calls_s: 0.3}
session: {silence_duration_ms: 300}
personas:
  - {name: cafe, share: 1, accent: en-US, noise: {kind: cafe, snr_db: 20}}
  - {name: hurried, share: 1, patience_s: {uniform: [0.8, 1.2]}}
criteria:
  - abandonment < 50 %
"""
LATE = "llm: {delay: {fixed: 1.5}}\n"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("personas")
    (folder / "mix.yml").write_text(SCENARIO)
    (folder / "late.yml").write_text(LATE)
    return run(
        folder, "--scenario", str(folder / "mix.yml"), profile=str(folder / "late.yml"), env=os.environ | {"DOUBLETALK_NO_REPORT": "no"}
    )


def test_each_record_tells_its_persona(done: Done) -> None:
    turns, sessions = done.table("turns"), done.table("sessions")
    talkers = sessions.groupby("talker")["persona"].agg(["first", "nunique"])
    assert (talkers["nunique"] == 1).all()
    assert sorted(talkers["first"]) == ["cafe", "cafe", "hurried", "hurried"], "as many of each as their shares say"
    assert (turns.set_index("talker")["persona"] == talkers["first"].reindex(turns["talker"])).all()
    assert set(turns.loc[turns["persona"] == "cafe", "voice"]) <= {"slt", "rms"}


def test_the_end_names_the_report_in_the_run_folder(done: Done) -> None:
    assert done.folder is not None
    assert done.out.splitlines()[-3:-1] == [f"Run folder: {done.folder}", f"Report: {done.folder / 'report.html'}"]
    assert f"<h1>mix: {done.folder.name}</h1>" in (done.folder / "report.html").read_text()


def test_the_noisy_one_is_understood_as_without_noise(done: Done) -> None:
    noisy = done.table("turns").query("persona == 'cafe' and outcome != 'cut_by_run_end'")
    assert len(noisy) >= 2
    assert (noisy["outcome"] == "completed").all()
    assert (noisy["transcript"] == noisy["spoken"]).all()
    said = done.true("response").dropna(subset=["speech_onset_ns"])
    assert set(noisy["clip"]) <= set(said["clip"])
    assert (noisy["e2e_latency_s"] > 1.5).all()


def test_the_hurried_one_hangs_up(done: Done) -> None:
    turns, sessions = done.table("turns"), done.table("sessions")
    ended = sessions.query("persona == 'hurried' and outcome != 'cut_by_run_end'")
    assert len(ended) >= 4
    assert (ended["outcome"] == "abandoned").all()
    given_up = turns.query("persona == 'hurried' and outcome != 'cut_by_run_end'")
    assert (given_up["outcome"] == "no_response").all()
    assert len(given_up) == len(ended), "one turn a call: it does not ask a second time"
    waited_s = (ended.set_index(["talker", "call"])["closed_ns"] - given_up.set_index(["talker", "call"])["speech_offset_ns"]) / 1e9
    assert waited_s.min() >= 0.8


def test_the_run_says_how_many_calls_were_given_up(done: Done) -> None:
    sessions = done.table("sessions")
    counted = sessions["outcome"].value_counts()
    share = counted["abandoned"] / (counted["abandoned"] + counted.get("hung_up", 0))
    assert share > 0.5
    assert done.code == 1
    assert f"| abandonment < 50 % | {share * 100:.1f} %" in done.out.replace("  ", " ")
