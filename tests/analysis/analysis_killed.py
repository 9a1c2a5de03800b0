"""A process that writes a run folder until it is killed. It imports nothing of the analysis, so that it is there soon."""

from __future__ import annotations

import signal
from multiprocessing.synchronize import Event
from pathlib import Path

from analysis_runs import FACTS, RECORDS, Reports, under_way

from reporting.run_folder import REPORTED, RunFolder
from reporting.tables import TIMELINE

ROW = dict.fromkeys(TIMELINE.names, 1) | {"settled": True, "target_up": False}


def work(parent: Path, ready: Event, seconds: int, cut_off: bool) -> None:
    """Write so many seconds, say that it is `ready`, and wait for the end."""
    written = under_way(parent)[0] if seconds else RunFolder(parent, FACTS)
    for t_s in range(1, seconds + 1):
        written.note({"second": ROW | {"t_s": 8.0 + t_s, "talkers": 4 - t_s}})
    Reports().next(RECORDS[0])  # what was not reported yet is lost
    if cut_off:
        with (written.path / REPORTED).open("ab") as file:
            file.write(b"\x00\x00\x00\xff\x10")
    ready.set()
    signal.pause()
