"""What a scenario will do, as text: its load over time, how long it takes, and what it costs to run."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.load import Load
from scenarios.model import Scenario

_WIDTH, _HEIGHT = 64, 8
_PCM_BYTES_PER_S = 48_000
"""24 kHz, 16 bits: what a talker sends all along."""
_ON_THE_WIRE = 1.4
"""Base64 and its JSON, over the PCM that they carry (docs/performance.md)."""
_TALKERS_PER_CORE = 1_700
"""With 20 ms frames (docs/performance.md)."""


def show(scenario: Scenario, usd_per_minute: float = 0.0) -> str:
    """The scenario as a person reads it before the run. `usd_per_minute`: what the assistant takes for a minute of a talker's call; 0: that
    is not shown."""
    load = scenario.load
    lines = [f"{scenario.name}: {scenario.description}" if scenario.description else scenario.name, "", *_chart(load), "", *_stages(load)]
    lines += [*_costs(load, usd_per_minute)]
    if scenario.criteria:
        lines += ["", "It passes if" if load.search is None else "Each step holds if", *(f"  {text}" for text in scenario.criteria)]
    if scenario.abort.unless:
        lines += [f"and is given up, after {scenario.abort.grace_s:g} s, unless", *(f"  {text}" for text in scenario.abort.unless)]
    return "\n".join(lines).rstrip() + "\n"


def _chart(load: Load) -> Iterator[str]:
    """The planned load over time, as columns of blocks."""
    if load.search is not None:
        search = load.search
        yield f"a search for the most talkers that keep the criteria: {search.least} at first, {search.growth:g} times as many until one is"
        yield f"missed ({search.most} at most), then between the two, to {search.within:.0%}"
        return
    rate = load.calls if load.open else load.planned
    length_s = load.length_s
    values = [rate.at((column + 0.5) * length_s / _WIDTH) for column in range(_WIDTH)]
    top = max((max(piece.first, piece.last) for piece in rate.pieces), default=0.0) or 1.0
    unit = "calls a second" if load.open else "talkers"
    for row in range(_HEIGHT, 0, -1):
        label = f"{top * row / _HEIGHT:6.4g}" if row in (_HEIGHT, _HEIGHT // 2) else " " * 6
        yield f"{label} |" + "".join("#" if value / top * _HEIGHT > row - 0.5 else " " for value in values).rstrip()
    yield f"{'0':>6} +{'-' * _WIDTH}"
    yield f"{unit:>14} over {length_s:g} s"


def _stages(load: Load) -> Iterator[str]:
    begun_s = 0.0
    for stage in load.stages:
        reached = stage.calls_per_s if load.open else stage.talkers
        told = [] if reached is None else [f"to {reached:g} {'calls/s' if load.open else 'talkers'}"]
        told += [f"to {stage.tokens_per_s:g} tokens/s"] if stage.tokens_per_s is not None else []
        told += [f"within {stage.over_s:g} s"] if stage.over_s else []
        told += [f"for {stage.hold_s:g} s"] if stage.hold_s else []
        yield f"  {begun_s:7g} s  {stage.name:<12} {', '.join(told)}"
        begun_s += stage.length_s
    if load.stages:
        yield ""


def _costs(load: Load, usd_per_minute: float) -> Iterator[str]:
    minutes = _talker_minutes(load)
    longest = "at most " if load.search is not None else ""
    yield f"takes {longest}{_duration(load.length_s)}, and the turns under way at its end"
    talking = f"{minutes:.4g} minutes of calls" if not load.open else f"at most {minutes:.4g} minutes of calls"
    megabytes = minutes * 60 * _PCM_BYTES_PER_S * _ON_THE_WIRE / 1e6
    yield f"costs {longest}{talking}, {megabytes:.0f} MB sent and less than that received"
    if usd_per_minute:
        yield f"      {longest}{minutes * usd_per_minute:.2f} USD, at {usd_per_minute:g} USD a minute"
    if load.open:
        yield f"      {load.calls.until(load.length_s):.0f} calls begin, at most {load.talkers} at a time"
    if load.minting:
        yield f"      {load.tokens.until(load.length_s):.0f} tokens besides those of the talkers"
    yield f"needs {max(1, -(-load.peak // _TALKERS_PER_CORE))} worker(s) with a core each, for {load.peak} talkers"


def _talker_minutes(load: Load) -> float:
    if load.search is not None:
        return load.search.most * load.length_s / 60
    return load.planned.until(load.length_s) / 60


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    told = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if n]
    return " ".join(told) or "0 s"
