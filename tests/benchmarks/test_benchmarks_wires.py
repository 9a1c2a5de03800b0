"""A run on a wire beside the assistant's truth file: what is compared, what is left out, what the table says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks_turns import MS, turn

from assistant.wires import WIRES
from benchmarks.wire_truth import UNTOLD, Compared, Truth, compare
from benchmarks.wires import below, clears, leads_s, main, names, row, table
from metrics.records import BargeInClass, Outcome, TurnKind
from protocol import DIALECTS

LEADS_S = {"answer": 0.1}


def line(kind: str, **fields: Any) -> dict[str, Any]:
    """A line of the truth file; instants in ms, as names without `_ns`."""
    instants = {f"{k}_ns": v * MS for k, v in fields.items() if k in INSTANTS}
    return {"kind": kind, "client": "talker-0", "clip": "hello", **{k: v for k, v in fields.items() if k not in INSTANTS}, **instants}


INSTANTS = ("speech_onset", "speech_offset", "first_audio", "done", "onset")


def answered(identity: str, onset: int, **fields: Any) -> dict[str, Any]:
    """A response whose first audio was sent 500 ms after a second of speech."""
    sent = {"first_audio": onset + 1500, "done": onset + 3500, "status": "completed", "answer_clip": "answer", "chunks": 50}
    return line(
        "response",
        response_id=identity,
        speech_onset=onset,
        speech_offset=onset + 1000,
        **{**sent, "underruns": 0, "underrun_s": 0.0, **fields},
    )


def compared(folder: Path, turns: list[Any], *lines: dict[str, Any], clears: bool = False, since_ms: int = 0) -> Compared:
    path = folder / "truth.jsonl"
    header = {"kind": "header", "playout_delay_s": 0.06, "profile": {"chunk_ms": 40}}
    path.write_text("\n".join(json.dumps(one) for one in (header, *lines)))
    return compare(turns, Truth(path), LEADS_S, clears=clears, since_ns=since_ms * MS)


def said(onset: int, audible: int | None = None, **facts: Any) -> Any:
    return turn(speech_onset=onset, speech_offset=onset + 1000, first_audible=audible, **facts)


def test_an_answer_and_its_underruns(tmp_path: Path) -> None:
    """True is 500 + 60 + 100 ms after the speech, whose end each side has its own instant for."""
    made = compared(tmp_path, [said(1000, 2667, underruns=2, playout_end=5000)], answered("r", 1002, underruns=1))
    assert made.errors == {"e2e_latency": [pytest.approx(7)], "underruns": [1.0]}
    assert (made.turns, made.answered, made.problems) == (1, 1, [])


def test_what_is_unaccounted_for(tmp_path: Path) -> None:
    turns = [said(1000, 2667), said(9000, outcome=Outcome.NO_RESPONSE), said(20_000, outcome=Outcome.NO_RESPONSE)]
    made = compared(tmp_path, turns, answered("r", 9000), answered("late", 1300))
    assert made.problems == [
        "talker 0, turn 0: an answer was heard, and none was sent",
        "talker 0, turn 0: no_response, and an answer was sent",
    ]
    assert (made.turns, made.answered) == (3, 1)


def test_what_is_left_out(tmp_path: Path) -> None:
    turns = [said(1000, 2667), said(5000, 6700, playout_end=12_000), said(10_000, 13_000), said(15_000, outcome=Outcome.CUT_BY_RUN_END)]
    made = compared(tmp_path, turns, answered("r1", 5000), answered("r2", 10_000), since_ms=2000)
    assert made.left_out == {
        "turns of the first seconds": 1,
        "e2e_latency while the speaker was busy": 1,
        "turns cut by the run's end": 1,
    }
    assert len(made.errors["e2e_latency"]) == 1


@pytest.mark.parametrize(("clears", "true_ms"), [(False, 1560), (True, 900)])
def test_a_stop(clears: bool, true_ms: int, tmp_path: Path) -> None:
    """Of the host 50 pieces of 40 ms were sent from 2500 ms on; it was stopped at 3900 ms, 900 ms after the onset."""
    barge_in = said(
        3000,
        5660,
        kind=TurnKind.BARGE_IN,
        turn=1,
        stop_ear=4600,
        barge_in_class=BargeInClass.SERVER,
        first_audio=5600,
        host_response_id="x",
    )
    true = line("barge_in", response_id="host", onset=3000, reaction="cancelled")
    made = compared(tmp_path, [barge_in], answered("host", 1000, done=3900), answered("r", 3000), true, clears=clears)
    assert made.errors["stop_by_ear"] == [pytest.approx(1600 - true_ms)]
    assert made.barge_ins == {("cancelled", "cancelled"): 1}


ALARMS = [
    ("resumed", 0.7, Outcome.RESUMED, True, ("resumed", "resumed")),
    ("resumed", 0.3, Outcome.CONTINUED, True, ("continued", "continued")),
    ("resumed", 0.51, Outcome.RESUMED, True, None),
    ("ignored", None, Outcome.CONTINUED, True, ("continued", "continued")),
    ("ignored", None, Outcome.CONTINUED, False, ("continued", UNTOLD)),
    ("stuck", None, Outcome.CONTINUED, False, ("not_resumed", UNTOLD)),
    ("answered", None, Outcome.RESUMED, True, ("answered", "resumed")),
    ("answered", None, Outcome.CUT_BY_RUN_END, False, None),
]


@pytest.mark.parametrize(("action", "silence_s", "outcome", "met", "expected"), ALARMS)
def test_a_false_alarm(
    action: str, silence_s: float | None, outcome: Outcome, met: bool, expected: tuple[str, str] | None, tmp_path: Path
) -> None:
    alarm = said(3000, kind=TurnKind.FALSE_ALARM, outcome=outcome, windows_met=met)
    made = compared(tmp_path, [alarm], line("false_alarm", response_id="r", onset=3000, action=action, silence_s=silence_s))
    assert dict(made.false_alarms) == ({expected: 1} if expected else {})
    assert made.left_out.total() == (0 if expected else 1)


def test_the_table(tmp_path: Path) -> None:
    made = compared(tmp_path, [said(1000, 2667), said(9000, outcome=Outcome.NO_RESPONSE)], answered("r", 1000))
    made.false_alarms["answered", "resumed"] += 2
    made.false_alarms["continued", UNTOLD] += 1
    made.false_alarms["continued", "continued"] += 4
    shown = table([row("raw-pcm", made)]).splitlines()
    assert shown[2] == "| `raw-pcm` (by ear) | 2 | 50.0 % | 667 (true 660), 667 (true 660) | 7.0, 7.0 | 0: -, - | 1, 0 | 0, 0 | 7, 2, 1 |"
    assert shown[4:] == ["- `raw-pcm`: false alarm, answered, told as resumed: 2", "- `raw-pcm`: false alarm, continued, told as untold: 1"]


def test_every_wire_of_the_assistant_is_measured() -> None:
    assert set(names()) == {wire.name for wire in WIRES} & set(DIALECTS)
    assert (below("raw-pcm"), below("openai-realtime")) == ("/raw", "")
    assert (clears("raw-pcm"), clears("openai-realtime"), clears("twilio")) == (True, False, True)


def test_silence_before_an_answer_is_that_of_the_wire() -> None:
    wide, narrow = leads_s("openai-realtime"), leads_s("twilio")
    assert all(0.09 < lead < 0.12 for lead in wide.values())
    assert all(narrow[clip] > lead - 0.002 for clip, lead in wide.items()), "a band that is cut off has no sound more"


@pytest.mark.parametrize("given", [["--only", "morse"], ["--seconds", "0"]])
def test_refused(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*given, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("wires: ")
