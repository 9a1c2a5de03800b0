"""`python -m analysis words RUN..`: how many words the assistant misheard, of all and by accent, noise and network."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import pandas as pd

from analysis import shown
from analysis.files import RunError
from analysis.pool import GROUPS, Pool, members, pool
from analysis.words import rate
from metrics.metric import Unit

_LEAST = 10
"""Utterances below which a rate is not worth a verdict."""
_WORST = 5
_BY = ("accent", "noise", "network")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, and the most that is allowed."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder, a sweep's, or a folder of runs")
    parser.add_argument("--most", metavar="SHARE", help="most words that may be wrong, such as 10%%: exit code 1 where it is more")
    parser.add_argument("--invalid", action="store_true", help="use runs that are not valid, too, and say so")


def run(chosen: argparse.Namespace) -> int:
    """0 where no more words are wrong than may be, 1 where more are, or too few were heard to tell."""
    most = None if chosen.most is None else _share(chosen.most)
    pooled = pool(members(chosen.runs), chosen.invalid)
    for member in pooled.left_out:
        print(f"{member.run.path}: left out: the run is not valid", file=sys.stderr)
    if any(not member.run.info["valid"] for member in pooled.members):
        print("**INVALID: the tester was not fit to measure; do not use these numbers.**\n")
    counted = pooled.words()
    whole = rate(counted).estimate
    print(
        f"Word error rate: {shown.full(whole, Unit.SHARE)} utterances\n"
        if whole.value is not None
        else f"Word error rate: -: {_why(pooled)}\n"
    )
    lines = [line for column in _BY for line in _lines(pooled, counted, column)]
    if lines:
        print("\n".join(["| callers | word error rate | 95 % interval | utterances |", "|---|---|---|---|", *lines, ""]))
    for (spoken, heard), times in _worst(pooled, counted):
        print(f"- {times} x: \u201c{spoken}\u201d was heard as \u201c{heard}\u201d")
    if most is None:
        return 0
    if whole.value is None or whole.n < _LEAST:
        print(f"No verdict: {whole.n} utterances were transcribed; {_LEAST} are needed.")
        return 1
    holds = whole.value <= most
    print(f"{'Holds' if holds else 'MISSED'}: word error rate {shown.value(whole, Unit.SHARE)}, at most {most * 100:g} % allowed")
    return 0 if holds else 1


def _lines(pooled: Pool, counted: pd.DataFrame, column: str) -> list[str]:
    of = pooled.turns.loc[counted.index, column]
    made = []
    for level in pooled.levels(column):
        found = rate(counted[of == level]).estimate
        few = " (few)" if found.n < _LEAST else ""
        made.append(
            f"| {GROUPS[column]} {level} | {shown.value(found, Unit.SHARE)} | {shown.interval(found, Unit.SHARE)} | {found.n}{few} |"
        )
    return made


def _worst(pooled: Pool, counted: pd.DataFrame) -> list[tuple[tuple[str, str], int]]:
    """What was misheard most often: what was spoken, what was heard, and how often."""
    wrong = pooled.turns.loc[counted.index[counted["numerator"] > 0]]
    counts: Counter[tuple[str, str]] = Counter()
    for place, member in enumerate(pooled.members):
        turns = member.run.turns.loc[wrong.loc[wrong["run"] == place, "row"]]
        counts.update(zip(turns["spoken"], turns["transcript"], strict=True))
    return counts.most_common(_WORST)


def _why(pooled: Pool) -> str:
    return "nothing was transcribed" if len(pooled.turns) else "no turn was made"


def _share(text: str) -> float:
    try:
        return float(text.strip().removesuffix("%")) / 100.0 if text.strip().endswith("%") else float(text)
    except ValueError:
        raise RunError(f"--most {text}: write a share, such as 10% or 0.1") from None
