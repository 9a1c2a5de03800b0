"""What the talkers measure against what the assistant knows to be true, with the demo's twenty talkers."""

from __future__ import annotations

import pandas as pd
import pytest
from harness import Done, run

pytestmark = pytest.mark.alone

MS = 1e6


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    done = run(tmp_path_factory.mktemp("truth"), "--scenario", "demo")
    assert done.folder is not None, done.err
    return done


@pytest.fixture(scope="module")
def answers(done: Done) -> pd.DataFrame:
    """Turns with an answer, beside the truth of their response."""
    turns = done.table("turns")
    owed = turns[(turns["kind"] != "false_alarm") & turns["response_id"].notna()]
    return owed.merge(done.true("response"), on="response_id", suffixes=("", "_true"), validate="one_to_one")


@pytest.fixture(scope="module")
def barge_ins(done: Done) -> pd.DataFrame:
    turns = done.table("turns")
    measured = turns[turns["kind"] == "barge_in"]
    true = done.true("barge_in").rename(columns={"response_id": "host_response_id"})
    return measured.merge(true, on="host_response_id", how="outer", suffixes=("", "_true"), validate="one_to_one", indicator=True)


def test_the_demo_passes_and_is_a_real_test(done: Done) -> None:
    totals = done.run["totals"]
    assert done.run["valid"], done.run["faults"]
    assert done.code == 0, done.out[-3000:]
    assert totals["turns"] > 100
    assert sum(n for k, n in totals.items() if k.startswith("turns.barge_in")) >= 10
    assert sum(n for k, n in totals.items() if k.startswith("turns.false_alarm")) >= 10
    assert done.run["talkers_max"] == 20


def test_every_answer_is_measured_once(done: Done, answers: pd.DataFrame) -> None:
    true = done.true("response")
    heard = true[true["first_audio_ns"].notna()]
    assert set(heard["response_id"]) == set(answers["response_id"])
    assert not done.table("turns")["response_id"].dropna().duplicated().any()


def test_time_to_first_audio(answers: pd.DataFrame) -> None:
    """The truth has its own end of speech: the arrival of the frame that holds the clip's labelled last sample."""
    measured = answers["first_audio_ns"] - answers["speech_offset_ns"]
    true = answers["first_audio_ns_true"] - answers["speech_offset_ns_true"]
    off = (measured - true).abs() / MS
    assert len(off) > 100
    assert off.median() <= 2.0
    assert off.quantile(0.99) <= 10.0


def test_stop_by_byte(barge_ins: pd.DataFrame) -> None:
    """Of barge-ins after whose onset audio still came: where none did, there is no byte to stop at."""
    came = barge_ins["stopped_ns"] > barge_ins["onset_ns"]
    cancelled = barge_ins[(barge_ins["reaction"] == "cancelled") & came]
    measured = cancelled["stop_byte_ns"] - cancelled["speech_onset_ns"]
    true = cancelled["stopped_ns"] - cancelled["onset_ns"]
    off = (measured - true).abs() / MS
    assert len(off) >= 10
    assert off.notna().all()
    assert off.median() <= 2.0
    assert off.quantile(0.99) <= 10.0


def test_underruns_are_exact(answers: pd.DataFrame) -> None:
    assert answers["underruns"].tolist() == answers["underruns_true"].tolist()
    assert answers["underruns"].sum() > 0
    assert ((answers["underrun_s"] - answers["underrun_s_true"]).abs() < 0.020).all()


def test_interruptions_are_exact(barge_ins: pd.DataFrame) -> None:
    assert (barge_ins["_merge"] == "both").all()
    classes = {"cancelled": "cancelled_by_server", "client_cancelled": "cancelled_by_client", "none": "no_reaction"}
    judged = barge_ins["barge_in_class"].notna()  # one cut off by the end of the run before its window passed is of no class
    assert judged.sum() >= 0.9 * len(barge_ins)
    assert barge_ins[judged]["barge_in_class"].tolist() == barge_ins[judged]["reaction"].replace(classes).tolist()
    gave_way = barge_ins["reaction"].isin(["cancelled", "client_cancelled", "already_generated"])
    answered = barge_ins["answer_response_id"].notna()
    decided = barge_ins["outcome"] != "cut_by_run_end"
    assert barge_ins[decided]["interruption_success"].tolist() == (gave_way & answered)[decided].astype(float).tolist()
    assert barge_ins[decided]["response_id"].tolist() == barge_ins[decided]["answer_response_id"].tolist()


def test_false_alarms_are_exact(done: Done) -> None:
    """A pause of which the listener heard no more than 0.5 s, thanks to what was buffered, is no false stop."""
    turns = done.table("turns")
    measured = turns[turns["kind"] == "false_alarm"]
    true = done.true("false_alarm").rename(columns={"response_id": "host_response_id"})
    both = measured.merge(true, on=["host_response_id", "clip"], how="outer", suffixes=("", "_true"), validate="one_to_one", indicator=True)
    assert (both["_merge"] == "both").all()
    silence_s = both["silence_s"].fillna(0.0) if "silence_s" in both else pd.Series(0.0, index=both.index)
    stopped = (both["action"] == "resumed") & (silence_s > 0.5)
    expected = stopped.map({True: "resumed", False: "continued"}).where(both["action"] != "stuck", "not_resumed")
    decided = both["windows_met"] & ((silence_s - 0.5).abs() > 0.02)  # so near the bound, the two ends of the wire may differ
    assert decided.sum() >= 10
    assert both[decided]["outcome"].tolist() == expected[decided].tolist()


def test_stages_agree_with_the_pipeline(answers: pd.DataFrame) -> None:
    """Differences between arrivals at the talker equal those between sends of the assistant."""
    pairs = {
        "asr_processing_s": ("speech_stopped_ns_true", "transcribed_ns_true"),
        "llm_ttft_s": ("created_ns", "first_token_ns_true"),
        "tts_processing_s": ("first_token_ns_true", "first_audio_ns_true"),
    }
    for column, (begin, end) in pairs.items():
        off = (answers[column] * 1000 - (answers[end] - answers[begin]) / MS).abs()
        assert off.median() <= 2.0, column


def test_the_summary_speaks_of_every_metric(done: Done) -> None:
    from metrics.catalog import METRICS

    assert done.folder is not None
    text = (done.folder / "summary.md").read_text()
    assert [name for name in METRICS if name not in text] == []
    assert "PASSED" in text
    assert "## Snapshot" in done.out
