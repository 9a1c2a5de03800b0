"""Records to report: made up by hypothesis from the records' own types, or plain ones to change."""

from __future__ import annotations

import dataclasses
import types
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from metrics.records import ErrorKind, Outcome, Record, SessionOutcome, SessionRecord, TokenRecord, TurnKind, TurnRecord
from reporting.facts import RunFacts
from scenarios import Scenario

FACTS = RunFacts(
    scenario=Scenario(name="demo", criteria=("e2e_latency p50 < 800 ms", "success > 95 %")).model_dump(mode="json"),
    seed=7,
    dialect="openai-realtime",
    frame_ms=20.0,
    host="http://127.0.0.1:8000",
    started_epoch_s=1_763_640_000.25,
    started_ns=123,
    options={"scenario": "demo", "auth": "token", "api_key_env": "OPENAI_API_KEY"},
)
IN_STAGES = dataclasses.replace(
    FACTS,
    scenario=Scenario.model_validate(
        {
            "name": "rise",
            "load": {"stages": [{"name": "few", "talkers": 2, "hold_s": 10}, {"name": "many", "talkers": 8, "over_s": 5, "hold_s": 5}]},
            "criteria": ["e2e_latency p50 in many < 120 % of few", "success in few > 95 %"],
        }
    ).model_dump(mode="json"),
)
SEARCH = dataclasses.replace(
    FACTS,
    scenario=Scenario.model_validate({"name": "search", "load": {"search": {"most": 9}}, "criteria": ["success > 95 %"]}).model_dump(
        mode="json"
    ),
)
TYPES = (TurnRecord, SessionRecord, TokenRecord)
_PLAIN: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(0, 10**12),
    float: st.floats(-1e4, 1e4),
    bool: st.booleans(),
    str: st.text(max_size=20),
}
_ZERO = {int: 0, float: 0.0, bool: False, str: "x"}


def _parts(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _values(hint: Any) -> st.SearchStrategy[Any]:
    def one(kind: Any) -> st.SearchStrategy[Any]:
        if kind is type(None):
            return st.none()
        return st.sampled_from(list(kind)) if issubclass(kind, StrEnum) else _PLAIN[kind]

    return st.one_of([one(kind) for kind in _parts(hint)])


def records(record_type: type) -> st.SearchStrategy[Any]:
    """Any record of this type, likely or not."""
    return st.builds(record_type, **{name: _values(hint) for name, hint in get_type_hints(record_type).items()})


def any_record() -> st.SearchStrategy[Record]:
    return st.one_of([records(kind) for kind in TYPES])


def plain(record_type: type, **changes: Any) -> Any:
    """A record in which everything that may be None is None, everything else 0, the first of its kind, or as in `changes`."""

    def least(hint: Any) -> Any:
        parts = _parts(hint)
        if type(None) in parts:
            return None
        return next(iter(hint)) if issubclass(hint, StrEnum) else _ZERO[hint]

    hints = get_type_hints(record_type)
    return record_type(**{f.name: changes.get(f.name, least(hints[f.name])) for f in dataclasses.fields(record_type)})


def turn(e2e_s: float | None = 0.5, **changes: Any) -> TurnRecord:
    """An utterance answered in `e2e_s`."""
    heard = None if e2e_s is None else 10**9 + round(e2e_s * 1e9)
    facts = {"kind": TurnKind.UTTERANCE, "outcome": Outcome.COMPLETED, "speech_offset_ns": 10**9, "first_audible_ns": heard, "chunks": 3}
    made: TurnRecord = plain(TurnRecord, **{**facts, **changes})
    return made


def session(**changes: Any) -> SessionRecord:
    """A session that was set up in 0.25 s and hung up."""
    facts = {"outcome": SessionOutcome.HUNG_UP, "started_ns": 10**9, "ready_ns": 125 * 10**7, "closed_ns": 9 * 10**9}
    made: SessionRecord = plain(SessionRecord, **{**facts, **changes})
    return made


def token(latency_s: float = 0.1, error: ErrorKind | None = None) -> TokenRecord:
    """A token that was intended at 1 s."""
    done = 10**9 + round(latency_s * 1e9)
    made: TokenRecord = plain(TokenRecord, user="talker", intended_ns=10**9, sent_ns=10**9, done_ns=done, error_kind=error)
    return made
