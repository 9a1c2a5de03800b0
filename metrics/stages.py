"""The stages of a run: which one something belongs to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from metrics.records import Fired, SessionRecord, TurnRecord

WHOLE = ""
"""The name of no stage: of the run as a whole."""


class Stages:
    """When each stage began, by instants of one monotonic clock. `timetable`: seconds after `began_ns`, ascending, and names. `by_end`: a
    record belongs to the stage in which it ended, and not to that in which it began."""

    def __init__(self, began_ns: int = 0, timetable: Iterable[tuple[float, str]] = (), by_end: bool = False) -> None:
        self._by_end = by_end
        self._began = [(began_ns + round(begins_s * 1e9), name) for begins_s, name in timetable]

    def begin(self, t_ns: int, name: str) -> None:
        """A stage begins; `WHOLE`: what follows belongs to none. Stages begin one after the other."""
        self._began.append((t_ns, name))

    def at(self, t_ns: int) -> str:
        """The name of the stage at this instant; `WHOLE` for none."""
        index = bisect_right(self._began, t_ns, key=lambda begun: begun[0]) - 1
        return self._began[index][1] if index >= 0 else WHOLE

    def of(self, record: Fired, now_ns: int) -> str:
        """The stage that a record belongs to, which is fired at `now_ns`: that in which the talker began to speak, the session to connect,
        the token to be due; or that in which it was over."""
        if not self._began:
            return WHOLE
        if self._by_end:
            return self.at(now_ns)
        if isinstance(record, TurnRecord):
            return self.at(record.speech_onset_ns)
        return self.at(record.started_ns if isinstance(record, SessionRecord) else record.intended_ns)


def timetable(scenario: dict[str, Any]) -> list[tuple[float, str]]:
    """When each stage of a scenario's load begins, in seconds of the run, and its name; `scenario` as run.json holds it."""
    stages = scenario["load"]["stages"]
    begins_s = accumulate((stage["over_s"] + stage["hold_s"] for stage in stages), initial=0.0)
    return [(begun_s, stage["name"]) for begun_s, stage in zip(begins_s, stages, strict=False)]
