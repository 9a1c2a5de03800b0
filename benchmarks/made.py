"""Whole run folders with known truth, made in seconds: what analysis must find in them is known, in whatever size.

`python -m benchmarks.made FOLDER --turns 100000 --shift tts_processing=1.1`
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.made_metrics import Measured, of_turns
from benchmarks.made_records import FRAME_S, samples_of, seconds_of, sessions_of, tokens_of
from benchmarks.made_truth import Truth
from benchmarks.made_turns import BEGAN_NS, Columns, Load, turns_of
from metrics.aggregate import Aggregate, columns_of, metric_columns
from metrics.health import Health
from metrics.histogram import Histogram, Ratio
from metrics.outcomes import TurnKind
from metrics.records import SessionRecord, TokenRecord, TurnRecord
from metrics.stages import Stages
from metrics.verdicts import COMPLETE
from reporting.completion import complete
from reporting.facts import Ending, RunFacts
from reporting.tables import TABLES, WORKER
from reporting.workers import LOCAL, Worker, WorkerFacts
from scenarios import Scenario

STARTED_EPOCH_S = 1_795_000_000.0
_DAY_S = 86_400.0
_CLIPS = (
    ("question-rms-07", "rms", "What is the exchange rate between the dollar and the euro?"),
    ("question-rms-11", "rms", "When is the next bus to the university?"),
    ("question-slt-02", "slt", "Can you book a table for two?"),
    ("question-slt-09", "slt", "How do I reset my password?"),
)
_ALARMS = (("noise-cough-3", "", ""), ("backchannel-rms-01", "rms", "mm-hm"), ("backchannel-slt-05", "slt", "I see"))


def make(
    folder: Path | str, turns: int = 1000, *, talkers: int | None = None, seed: int = 1, number: int = 0, truth: Truth | None = None,
    ramp: float = 0.2, steps: int = 0, personas: Sequence[str] = (), networks: dict[str, float] | None = None, valid: bool = True,
    criteria: Sequence[str] = ("success > 95 %", "e2e_latency p95 < 1200 ms"), name: str = "made",
) -> Path:  # fmt: skip
    """Write a run of so many turns (false alarms come on top) into `folder`, which is made, and return it.

    Two runs with the same `seed`, `turns` and `talkers` have the same talkers, who plan the same turns; `number` tells them apart: it is
    the run's own luck, and the day on which it was made. `talkers`: None: one for each 50 turns, 4 at least. `ramp`, `steps`: `Load`.
    `personas`: talkers take turns at them. `networks`: what a profile of this name adds to each answer, in seconds; talkers take turns at
    them, and it comes on top of all stages, in `e2e_latency` and `stage_residual`. Not `valid`: the event loop was too late. Raises
    FileExistsError where the folder is there, ValueError for fewer turns than one.
    """
    if turns < 1:
        raise ValueError(f"{turns} turns: make one at least")
    path, truth = Path(folder), truth or Truth()
    path.mkdir(parents=True)
    load = Load(turns, talkers or max(4, turns // 50), ramp, steps)
    c = turns_of(truth, load, seed, number)
    _through_networks(c, networks or {})
    order = np.argsort(c["end_ns"], kind="stable")
    session = np.cumsum(c["begins_session"]) - 1
    alarms = c["host"] >= 0
    session[alarms] = session[c["host"][alarms]]
    kinds = np.array([personas[i % len(personas)] if personas else "" for i in range(load.talkers)])
    epoch_s = STARTED_EPOCH_S + number * _DAY_S
    sessions, measured = sessions_of(c, session, epoch_s, kinds), of_turns(c)
    tokens = tokens_of(sessions, truth, np.random.default_rng([seed, 2, number]))
    seconds = seconds_of(c, sessions, np.asarray(measured["e2e_latency"]), np.asarray(measured["barge_in_latency"]), load.joins_s())
    scenario = _scenario(name, load, personas, networks or {}, criteria)
    stages = Stages(BEGAN_NS, [(i * load.duration_s / steps, f"step-{i + 1}") for i in range(steps)])
    aggregate = _aggregate(c, measured, stages)
    told: list[SessionRecord | TokenRecord] = [*sessions, *tokens]
    for record in told:
        aggregate.add(record, stage=stages.of(record, 0))
    for sample in samples_of(seconds):
        aggregate.add(sample, stage=stages.at(BEGAN_NS + round(sample.t_s * 1e9)))
    pq.write_table(_turns_table(c, measured, session, kinds, list(networks or {}), order), path / "turns.parquet")
    for table, kind in (("sessions", SessionRecord), ("tokens", TokenRecord)):
        rows = [{**asdict(r), **metric_columns(r), WORKER: LOCAL} for r in told if isinstance(r, kind)]
        pq.write_table(pa.Table.from_pylist(rows, TABLES[table]), path / f"{table}.parquet")
    pq.write_table(pa.Table.from_pandas(seconds, TABLES["timeline"], preserve_index=False), path / "timeline.parquet")
    facts = RunFacts(
        scenario, seed, "openai-realtime", FRAME_S * 1000, "http://127.0.0.1:8000", epoch_s, BEGAN_NS, {"scenario": name, "seed": seed}
    )
    ending = Ending(COMPLETE, float(seconds["t_s"].iloc[-1]), load.talkers, "kernel")
    complete(path, facts, ending, aggregate, [_worker(load, turns, ending, epoch_s, valid)])
    return path


def _through_networks(c: Columns, networks: dict[str, float]) -> None:
    if not networks:
        return
    added = np.array(list(networks.values()))[c["talker"] % len(networks)]
    c["network_up_s"], c["network_down_s"] = added / 2.0, np.where(np.isnan(c["first_audio_ns"]), np.nan, added / 2.0)
    c["first_audible_ns"] = c["first_audible_ns"] + np.rint(added * 1e9)


def _scenario(name: str, load: Load, personas: Sequence[str], networks: dict[str, float], criteria: Sequence[str]) -> dict[str, Any]:
    length_s = load.duration_s / max(1, load.steps)
    stages = [{"name": f"step-{i + 1}", "talkers": load.talkers * (i + 1) // load.steps, "hold_s": length_s} for i in range(load.steps)]
    given = {
        "name": name,
        "description": "Made with known truth; nobody spoke.",
        "criteria": list(criteria),
        "personas": [{"name": persona} for persona in personas],
        "load": {
            "talkers": load.talkers,
            "duration_s": load.duration_s + 1.0,
            "spawn_per_s": load.talkers / (load.ramp * load.duration_s + 1.0),
            "stages": stages,
        },
        "conversation": {"turns": {"uniform": [5, 9]}},
        "target": {"metrics_url": "http://127.0.0.1:8000/metrics"},
        "networks": {n: {"delay_ms": added * 500.0} for n, added in networks.items()},
        "network": {n: 1.0 / len(networks) for n in networks} or None,
    }
    plain: dict[str, Any] = Scenario.model_validate(given).model_dump(mode="json")
    return plain


def _worker(load: Load, turns: int, ending: Ending, epoch_s: float, valid: bool) -> Worker:
    health = Health(cpu_s=0.1 * ending.duration_s, wall_s=ending.duration_s, memory_bytes=200_000_000)
    health.send_lateness.add_all([0.0003] * 990 + [0.0008] * 10)
    health.loop_lag.add_all([0.0002 if valid else 0.03] * 1000)
    facts = WorkerFacts(LOCAL, "made", 1, True, BEGAN_NS, epoch_s)
    return Worker(facts, health, talkers_max=load.talkers, turns=turns)


def _aggregate(c: Columns, measured: Measured, stages: Stages) -> Aggregate:
    """Of the turns, with each stage's alone."""
    names = np.array([stages.at(int(t)) for t in c["speech_onset_ns"]])
    made = _part(c, measured, np.ones(len(names), bool))
    made.stages = {name: _part(c, measured, names == name) for name in dict.fromkeys(names) if name}
    return made


def _part(c: Columns, measured: Measured, rows: NDArray[np.bool_]) -> Aggregate:
    made = Aggregate()
    for name, values in measured.items():
        value = made.values[name]
        if isinstance(value, Histogram) and isinstance(values, np.ndarray):
            value.add_all(values[rows & ~np.isnan(values)].tolist())
        elif isinstance(value, Ratio) and isinstance(values, tuple):
            asked = rows & ~np.isnan(values[1])
            value.add_all(values[0][asked].tolist(), values[1][asked].tolist())
    made.counts = Counter(f"turns.{k}.{o}" for k, o in zip(c["kind"][rows].tolist(), c["outcome"][rows].tolist(), strict=True))
    made.counts.update(f"errors.{kind}" for kind in c["error_kind"][rows].tolist() if kind)
    return made


def _turns_table(
    c: Columns, measured: Measured, session: NDArray[Any], personas: NDArray[Any], networks: list[str], order: NDArray[Any]
) -> pa.Table:
    """`turns.parquet`, in the order in which the turns ended."""
    columns = {**c, **_texts(c, session, personas, networks)}
    for column, metric in columns_of(TurnRecord).items():
        values = measured.get(metric.name)
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[column] = (
                np.full(len(session), np.nan) if values is None else values[0] / values[1] if isinstance(values, tuple) else values
            )
    arrays = [_array(columns[field.name][order], field) for field in TABLES["turns"]]
    return pa.Table.from_arrays(arrays, schema=TABLES["turns"])


def _array(values: NDArray[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_string(field.type):
        return pa.array(values, pa.string(), mask=values == "" if field.nullable else None)
    missing = np.isnan(values) if field.nullable and values.dtype.kind == "f" else None
    if pa.types.is_floating(field.type):
        return pa.array(values.astype(float), field.type, mask=missing)
    return pa.array(np.nan_to_num(values).astype(bool if pa.types.is_boolean(field.type) else np.int64), field.type, mask=missing)


def _texts(c: Columns, session: NDArray[Any], personas: NDArray[Any], networks: list[str]) -> Columns:
    alarm, owed = c["kind"] == TurnKind.FALSE_ALARM, c["kind"] != TurnKind.FALSE_ALARM
    n, pick = len(alarm), c["draw"]
    which = np.where(alarm, len(_CLIPS) + (pick * len(_ALARMS)).astype(int), (pick * len(_CLIPS)).astype(int))
    clip, voice, spoken = (np.array([words[i] for words in (*_CLIPS, *_ALARMS)])[which] for i in range(3))
    ids, answered = np.array([f"sess_{s:06d}" for s in range(int(session.max()) + 1)])[session], c["chunks"] > 0
    responses = np.array([f"resp_{i:07d}" for i in range(n)])
    host = np.where(alarm, c["host"], np.where(c["kind"] == TurnKind.BARGE_IN, np.arange(n) - 1, -1))
    heard = np.where(pick * 97.0 % 1.0 < 0.1, np.array([" ".join(text.split()[1:]) for text in spoken.tolist()]), spoken)
    errors = {"timeout": "no answer in 10 s", "assistant_error": "server_error", "remote_close": "closed by the assistant"}
    return {
        "persona": personas[c["talker"]], "session_id": ids, "clip": clip, "voice": voice, "spoken": spoken,
        "transcript": np.where(owed & ~np.isnan(c["transcribed_ns"]), heard, ""), "clock": np.full(n, "kernel"),
        "error": np.array([errors.get(kind, "") for kind in c["error_kind"].tolist()]),
        "response_id": np.where(answered, responses, ""), "response_reason": np.full(n, ""),
        "host_response_id": np.where(host >= 0, responses[host], ""), "worker": np.full(n, LOCAL),
        "network": np.array(networks)[c["talker"] % len(networks)] if networks else np.full(n, ""),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a run; 2 where it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.made", description="Make a run folder with known truth.")
    parser.add_argument("folder", help="folder to make, such as runs/made")
    parser.add_argument("--turns", type=int, default=1000, help="turns, false alarms not counted (default: 1000)")
    parser.add_argument("--talkers", type=int, help="talkers (default: one for each 50 turns)")
    parser.add_argument("--seed", type=int, default=1, help="what the talkers plan: runs with the same can be paired")
    parser.add_argument("--number", type=int, default=0, help="which run of that seed it is, and its day")
    parser.add_argument("--shift", action="append", default=[], metavar="METRIC=FACTOR", help="a latency that is so many times as long")
    parser.add_argument("--share", action="append", default=[], metavar="METRIC=SHARE", help="a share that is not as usual, from 0 to 1")
    parser.add_argument("--per-talker", type=float, default=0.0, help="by which part L4 to L6 grow with each open session")
    parser.add_argument("--knee", type=int, help="sessions beyond which they grow faster, and turns fail")
    parser.add_argument("--steps", type=int, default=0, help="steps in which talkers join, each a stage (default: evenly)")
    parser.add_argument("--invalid", action="store_true", help="a run whose tester was too late")
    chosen = parser.parse_args(arguments)
    try:
        truth = Truth(shares=_numbers(chosen.share), shifts=_numbers(chosen.shift), per_talker=chosen.per_talker, knee=chosen.knee)
        path = make(
            chosen.folder,
            chosen.turns,
            talkers=chosen.talkers,
            seed=chosen.seed,
            number=chosen.number,
            truth=truth,
            steps=chosen.steps,
            valid=not chosen.invalid,
        )
    except (ValueError, FileExistsError) as error:
        print(f"made: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


def _numbers(given: Sequence[str]) -> dict[str, float]:
    return {name: float(value) for name, _, value in (text.partition("=") for text in given)}


if __name__ == "__main__":
    sys.exit(main())
