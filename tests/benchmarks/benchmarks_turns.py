"""Turns for the tests of benchmarks/."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

from metrics.records import Outcome, TurnKind, TurnRecord

MS = 1_000_000


def turn(**changes: Any) -> TurnRecord:
    """A turn of which everything that may be absent is, but for what is given; instants are given in ms, as names without `_ns`."""
    hints = get_type_hints(TurnRecord)
    given = {
        f"{k}_ns" if f"{k}_ns" in hints else k: round(v * MS) if f"{k}_ns" in hints and v is not None else v for k, v in changes.items()
    }
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(TurnRecord):
        parts = get_args(hints[field.name]) or (hints[field.name],)
        plain[field.name] = None if type(None) in parts else parts[0]() if parts[0] in (int, float, str, bool) else None
    return TurnRecord(
        **{**plain, "kind": TurnKind.UTTERANCE, "outcome": Outcome.COMPLETED, "clip": "hello", "session_id": "sess_1", **given}
    )
