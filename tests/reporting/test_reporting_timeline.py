"""A timeline gives back what went in, and takes little room."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting_live import second

from reporting.tables import TIMELINE, timeline_of
from reporting.timeline import Timeline

_VALUES = {"double": st.floats(-1e12, 1e12), "int64": st.integers(-(2**53), 2**53), "bool": st.booleans()}


def rows() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {f.name: st.none() | _VALUES[str(f.type)] if f.nullable else _VALUES[str(f.type)] for f in timeline_of(["asr"])}
    )


@given(st.lists(rows(), max_size=4))
def test_rows_come_back_as_they_were(given_rows: list[dict[str, Any]]) -> None:
    timeline = Timeline(timeline_of(["asr"]))
    for row in given_rows:
        timeline.append(row)
    assert (len(timeline), list(timeline), timeline[:]) == (len(given_rows), given_rows, given_rows)
    assert timeline[1:3] == given_rows[1:3]
    for name, value in (timeline[-1] if given_rows else {}).items():
        assert type(value) is type(given_rows[-1][name]) or isinstance(given_rows[-1][name], float)


def test_what_is_not_there_is_not_there() -> None:
    timeline = Timeline(TIMELINE)
    with pytest.raises(IndexError):
        timeline[0]
    with pytest.raises(KeyError, match="cpu_share"):
        timeline.append({name: 0 for name in TIMELINE.names if name != "cpu_share"})
    assert len(timeline) == 0


def test_an_hour_takes_little_more_than_a_megabyte() -> None:
    timeline = Timeline(TIMELINE)
    tracemalloc.start()
    for number in range(3600):
        timeline.append(second(number, cpu_share=number / 7))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 2e6
