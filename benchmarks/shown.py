"""The benchmark's result as people read it: what must be shown and whether it is, and the table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.figures import LATENESS_LIMIT_MS, PEER_LIMIT, number, percent

TARGET_FRAME_MS = 40.0
_KB_PER_KIB = 1.024
_NAMES = {
    "doubletalk": "full talkers", "binary": "full talkers, binary PCM at 16 kHz", "twilio": "full talkers, Twilio's media streams",
    "usual": "the usual Locust way", "c": "C, bytes only", "k6": "k6", "artillery": "Artillery",
}  # fmt: skip
_WIRES = {"binary": 1000, "twilio": 500}
"""Talkers on one core that other wires are to hold, at this frame duration."""
_WIRES_FRAME_MS = 20.0
_HEAD = (
    "way", "frame, ms", "most talkers", "CPU per talker, % of a core", "at talkers", "memory per talker, KiB", "send lateness p99, ms",
    "replies", "peer busy", "limited by",
)  # fmt: skip


def ratios(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the benchmark must show, for each frame duration that full talkers were measured at: `what`, `value` (None: not measured),
    `target`, `at_least` (else the target is a maximum), `at_ms`, the frame duration for which the target is stated, and `holds`: None at
    others, and where nothing was measured."""
    found = []
    for ours in (row for row in rows if row["way"] == "doubletalk"):
        beside = {row["way"]: row for row in rows if row["frame_ms"] == ours["frame_ms"]}
        usual, c = beside.get("usual", {}), beside.get("c", {})
        kib = ours["memory_kib_per_talker"]
        few = ours["talkers_few"]
        growth = "growth of CPU per talker" + (f", {few:,} to {ours['talkers']:,} talkers" if few else "")
        for what, value, target, at_least in (
            ("full talkers on one core", ours["talkers_max"], 1000, True),
            ("full talkers for one of the usual way", _over(ours["talkers_max"], usual.get("talkers_max")), 20.0, True),
            ("CPU per talker, times the C loop's", _over(ours["cpu_percent_per_talker"], c.get("cpu_percent_per_talker")), 2.0, False),
            ("memory per talker, KB", None if kib is None else kib * _KB_PER_KIB, 150.0, False),
            (growth, ours["cpu_growth"], 0.15, False),
        ):
            found.append(_judged(what, ours["frame_ms"], value, target, at_least, TARGET_FRAME_MS))
    for row in (row for row in rows if row["way"] in _WIRES):
        what = f"{_NAMES[row['way']]}, on one core"
        found.append(_judged(what, row["frame_ms"], row["talkers_max"], _WIRES[row["way"]], True, _WIRES_FRAME_MS))
    return found


def _judged(what: str, frame_ms: float, value: float | None, target: float, at_least: bool, at_ms: float) -> dict[str, Any]:
    holds = None if value is None or frame_ms != at_ms else value >= target if at_least else value <= target
    return {"what": what, "frame_ms": frame_ms, "value": value, "target": target, "at_least": at_least, "at_ms": at_ms, "holds": holds}


def markdown(result: dict[str, Any]) -> str:
    """The whole of `bench.json` as a page."""
    on, how = result["machine"], result["settings"]
    told = ", ".join(f"{name} {value}" for name, value in on.items())
    notes = (
        f"Most talkers: send lateness p99 at most {LATENESS_LIMIT_MS:g} ms, every frame sent and none more than a frame's duration late, "
        "no session, turn or token failed; for full talkers the run was valid. Found to within 5 %; `>=` where the search ended first. "
        "With a spread: median (least to greatest) of as many searches as rounds, the ways in turn.",
        f"CPU, memory and lateness: medians (least to greatest); rounds: {how['rounds']}, the ways in turn; windows of {how['seconds']:g} "
        "s. Lateness is of the whole run, ramp included; for C of the window. CPU is the process's, in the window. Memory is the resident "
        "memory that came with the talkers beyond the first few; the kernel's buffers are not in it.",
        "Replies: share of the time in which a reply was streamed to a talker, in chunks of 40 ms.",
        f"The peer's core: above {percent(PEER_LIMIT)} in any second the peer may be the limit, and the row is a floor.",
    )
    return "\n".join([
        "# Benchmark", "", f"Measured on: {told}.", "",
        *(f"- {_claim(ratio)}" for ratio in result["ratios"]),
        f"- cost of a turn besides its audio (tracker, record, metrics, row): {number(result['turn_cost_us'])} us", "",
        "| " + " | ".join(_HEAD) + " |", "|" + " --- |" * len(_HEAD),
        *("| " + " | ".join(_cells(row)) + " |" for row in result["rows"]), "",
        *(f"- {note}" for note in notes), "",
    ])  # fmt: skip


def _claim(ratio: dict[str, Any]) -> str:
    value = ratio["value"]
    if value is None:
        return f"{ratio['frame_ms']:g} ms: {ratio['what']}: not measured"
    shown, target = (percent(value), percent(ratio["target"])) if "growth" in ratio["what"] else (number(value), number(ratio["target"]))
    verdict = {None: "", True: "; holds", False: "; DOES NOT HOLD"}[ratio["holds"]]
    bound = f" (wanted at {ratio['at_ms']:g} ms: at {'least' if ratio['at_least'] else 'most'} {target}{verdict})"
    return f"{ratio['frame_ms']:g} ms: {ratio['what']}: {shown}{bound}"


def _cells(row: dict[str, Any]) -> list[str]:
    most, because = row["talkers_max"], row["short_because"]
    if row["note"]:
        return [_NAMES[row["way"]], f"{row['frame_ms']:g}", row["note"], *("-" for _ in _HEAD[3:])]
    floor = ">= " if most and (because is None or row["limited_by"] == "peer") else ""
    limit = f"the peer ({percent(row['peer_busy_share'])} busy)" if row["limited_by"] == "peer" else because or "-"
    return [
        _NAMES[row["way"]],
        f"{row['frame_ms']:g}",
        "-" if most is None else f"{floor}{_with_spread(row, 'talkers_max')}",
        _with_spread(row, "cpu_percent_per_talker"),
        number(row["talkers"]),
        _with_spread(row, "memory_kib_per_talker"),
        number(row["send_lateness_p99_ms"]),
        percent(row["reply_share"]),
        percent(row["peer_busy_share"]),
        limit,
    ]


def _with_spread(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    value, least, greatest = (row[key] for key in (name, f"{name}_min", f"{name}_max"))
    return number(value) if least == greatest else f"{number(value)} ({number(least)} to {number(greatest)})"


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None
