"""The page about what is measured, made from the catalogue and from the constants that define it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from types import ModuleType

from audio.onset import HOLD_MS, THRESHOLD_DBFS, WINDOW_MS
from metrics import ending, health, windows
from metrics.catalog import CATALOG_VERSION, METRICS, TABLES
from metrics.histogram import GAMMA
from metrics.metric import Metric, Shape, Unit, show_target
from metrics.trend import CONFIDENCE

_SOURCES = "SD system design, MG monitoring guide, VB voice-bot summary, LX LivekitexAgent baselines, LG latency guide"

_INTRO = f"""# What Doubletalk measures

*Talker*: the simulated caller. *Assistant*: the system under test. A *turn* is one utterance of the talker and the assistant's answer to
it; a *barge-in* is an utterance that starts while the assistant is heard, and a turn of its own; a *false alarm* is a backchannel, a cough
or noise while the assistant is heard, to which no answer is due.

All instants are taken on the talker's machine. Speech begins and ends with the first and the last sample of real speech in the clip, as the
clip's labels have it, not as a detector decides. A value that could not be measured is absent, never 0; a negative latency is a value: the
assistant began before the talker had finished. Screens show durations in milliseconds; records and run files hold seconds.

A *distribution* has one value per turn, session or token request; its percentiles are by nearest rank, exact to {(GAMMA - 1) * 50:g} %, its
count, least and greatest value exact, its mean to a billionth. A *share* or a *rate* is one sum over another. A *growth* is the slope of a
straight line through samples, a second apart, with its {CONFIDENCE * 100:.0f} % confidence interval: [what that means](target.md#growth).

Sources of the targets: {_SOURCES}.
A target without a grade is what should be reached; *good* and *excellent* are grades of their source. A share or percentile of fewer values
than *n at least* is marked as few.

This page is made from `metrics/catalog.py`, version {CATALOG_VERSION} of the catalogue, by `python -m metrics`."""

_SPEAKER = f"""## The virtual speaker

What the talker hears is computed from when the assistant's audio arrived, without a timer:

- The first audio of a response is played after the playout delay (60 ms unless the scenario says otherwise), or when the speaker has played
  what came before. Of that delay, the speaker's output buffer (10 ms) is L9.
- Then one sample is played per sample period, as long as there are samples. A message that arrives after its due instant makes an
  *underrun*: the speaker is silent until then, and what follows is shifted.
- A response is *audible* from its first sound: the first {WINDOW_MS} ms whose RMS is above {THRESHOLD_DBFS:g} dBFS and stays there for
  {HOLD_MS} ms, looked for in steps of 1 ms (Pipecat's time-to-first-audio rule). Leading silence counts as waiting.
- Audio that comes when the end of its response has been told already is of it as far as its last sound: the silence behind that, nothing of
  it above {THRESHOLD_DBFS:g} dBFS, may go on for as long as the assistant says nothing.
- Where clients do so themselves (OpenAI Realtime's, Azure's and xAI's wire), the speaker is silenced and its queue dropped when the
  talker's own voice activity detector hears the talker barge in; on other wires it is when the assistant says so."""

_STOPPING = """## How an interruption is measured

B1 to B4 follow the system design; their sum is the barge-in latency. B3 is there only where audio came after the onset and the response was
then cancelled: over a WebSocket it may have been sent whole before. So each barge-in is of one class, and the classes are counted apart:

- *cancelled by server*, *cancelled by client*: the response was closed as cancelled, by the assistant itself or at the talker's request;
- *already generated*: it had ended, or all its audio had come, before the assistant told that it heard the talker;
- *no reaction*: it ended by itself later, failed, or never ended.

Three clocks run from the onset, and are kept apart: to the closing event, to the last byte of audio, and to silence at the speaker had the
talker not silenced it. A barge-in after which the assistant never stops has no such time, and counts against the yield rate instead. One
that the end of the run cut off before the time to yield was over is of no class."""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n\n".join([_INTRO, *(_section(table) for table in TABLES), _SPEAKER, _STOPPING, _windows(), _validity()]) + "\n"


def _section(table: str) -> str:
    metrics = [m for m in METRICS.values() if m.table == table]
    header = ("metric", "code", "title", "unit", "from", "to", "better", "targets", "absent when", "n at least")
    return f"## {table.capitalize()}\n\n" + _markdown(header, [_row(m) for m in metrics])


def _row(m: Metric) -> tuple[str, ...]:
    targets = "; ".join(
        f"{show_target(t, m.unit)} ({t.source}{'' if t.grade == 'target' else ', ' + t.grade})".replace("<", "&lt;") for t in m.targets
    )
    return (f"`{m.name}`", m.code, m.title, _unit(m), m.begins, m.ends, m.better, targets, m.absent, str(m.min_count))


def _unit(m: Metric) -> str:
    if m.unit is Unit.SHARE:
        return "share"
    if m.shape is Shape.TREND:
        return f"growth, {m.unit.value}"
    words = {Unit.SECONDS: "s", Unit.FACTOR: "factor", Unit.INDEX: "index"}.get(m.unit, m.unit.value)
    return words if m.shape is Shape.DISTRIBUTION else f"rate, {words}"


def _windows() -> str:
    rows = [(f"`{name}`", f"{value:g} s", told) for name, value, told in _constants(windows)]
    limits = ending.Limits()
    return (
        "## Windows\n\n"
        + _markdown(("constant", "is", "means"), rows)
        + f"\n\nA turn is given up when no answer opens within {limits.response_s:g} s of the end of speech, or when the speaker has run\n"
        f"dry on an open answer for {limits.stall_s:g} s; a scenario may set both."
    )


def _validity() -> str:
    lag = next(value for name, value, _ in _constants(health) if name == "LOOP_LAG_LIMIT_S")
    return (
        "## When a run is invalid\n\n"
        "The tester measures itself. A run is invalid, and says so wherever a number is shown, where at any worker\n\n"
        "- frames were sent late by more than half a frame at p99 (`send_lateness`),\n"
        f"- the event loop lagged by more than {lag * 1000:g} ms at p99 (`loop_lag`): arrival times cannot be told any more,\n"
        "- a worker was lost, or a record was lost on its way to the run files."
    )


def _constants(module: ModuleType) -> Iterator[tuple[str, float, str]]:
    """Name, value and docstring of a module's public numbers, in the order in which they are written."""
    body = ast.parse(inspect.getsource(module)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()):
            continue
        name = node.targets[0].id
        told = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        if not name.startswith("_"):
            yield name, float(getattr(module, name)), " ".join(str(told).split())


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])
