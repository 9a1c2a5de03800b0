"""The faults of a run whose process was killed are in its journal, and their impact is that of the records that were reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from analysis_runs import FACTS, Reports, record

from analysis import load
from analysis.recover import recover
from metrics.faults import FaultRecord
from metrics.records import Outcome, SessionOutcome, SessionRecord, TurnKind, TurnRecord
from reporting.run_folder import RunFolder
from reporting.tables import TIMELINE
from reporting.workers import joined

S = 10**9
DROP = FaultRecord(fault="0.0", what="drop", by="scenario", t_s=5.0, share=0.5, hit=2, present=4)
COMMAND = {"fault": "1.0", "what": "command", "by": "hand", "t_s": 30.0, "for_s": 0.1, "present": 0, "detail": "true: exit code 0"}


def session(talker: int, started_s: int, closed_s: int, outcome: SessionOutcome, **facts: Any) -> SessionRecord:
    at = {"started_ns": started_s * S, "ready_ns": started_s * S, "closed_ns": closed_s * S}
    made: SessionRecord = record(SessionRecord, talker=talker, outcome=outcome, **{**at, **facts})
    return made


def turn(talker: int, onset_s: int) -> TurnRecord:
    made: TurnRecord = record(
        TurnRecord,
        kind=TurnKind.UTTERANCE,
        outcome=Outcome.COMPLETED,
        talker=talker,
        speech_onset_ns=onset_s * S,
        speech_offset_ns=onset_s * S,
    )
    return made


def test_who_talked_on_has_recovered_and_who_was_not_heard_again_has_not(tmp_path: Path) -> None:
    """Sessions that were up when the process was killed are in no record."""
    written, reports = RunFolder(tmp_path, FACTS), Reports()
    written.note(joined(reports.facts))
    lost = [session(talker, 0, 5, SessionOutcome.LOST) for talker in range(3)]
    back = session(0, 7, 20, SessionOutcome.HUNG_UP, lost_ns=5 * S, reconnect=True, down_s=2.0)
    reports._gatherer.add(DROP)
    written.batch("local", reports.next(*lost, turn(1, 3)))
    written.batch("local", reports.next(back, turn(1, 9), turn(1, 15)))
    written.note({"fault": COMMAND})
    written.note({"second": dict.fromkeys(TIMELINE.names, 1) | {"t_s": 40.0, "talkers": 4, "settled": True, "target_up": True}})
    written.leave()
    summary = recover(written.path)
    info = load(written.path).info
    drop, command = info["chaos"]
    assert (drop["fault"], drop["hit"], drop["noticed"], drop["blast_radius"], drop["sessions_lost"]) == ("0.0", 2, 3, 0.75, 3)
    assert (drop["recovered"], drop["time_to_recover_s"]) == (2, None)
    assert drop["automatic_recovery_rate"] == pytest.approx(2 / 3)
    assert drop["availability"] == pytest.approx(1 - (2.0 + 4.0 + 35.0) / (4 * 35.0))
    assert {key: command[key] for key in ("fault", "by", "detail", "noticed")} == {
        "fault": "1.0", "by": "hand", "detail": "true: exit code 0", "noticed": 0
    }  # fmt: skip
    assert "| 0.0   | 5.0 s" in summary
    assert "never" in summary
