"""What the web tab and the live page show of a run, as plain data: texts are made here, so that every screen says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics import table
from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.criteria import Verdict
from metrics.faults import FaultRecord
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Target, Unit, aggregate_of, show, show_target
from metrics.records import SELF_MADE, Outcome, TurnKind
from metrics.summary import SNAPSHOT
from metrics.table import Standing
from metrics.verdicts import verdicts
from reporting.facts import RunFacts
from reporting.live import Failure, Live, WorkerView
from reporting.points import points, step_of

TEXT_MAX = 500
"""Characters of an error's text that are shown."""


class Screen:
    """Tells of the run that `shown` gives: the one under way or the last one; None before the first. What is worked out from the metrics is
    kept until another second of the run is full, however many look at it. `runs`: the folder that run folders are in."""

    def __init__(self, shown: Callable[[], Live | None], runs: Path | None = None) -> None:
        self.shown = shown
        self._runs = runs
        self._of: tuple[str, int, bool] | None = None
        self._measured: dict[str, Any] = {}

    def report(self) -> Path | None:
        """The report of the run that is shown; None while it is not written."""
        live = self.shown()
        page = self._runs / live.run_id / "report.html" if self._runs is not None and live is not None and not live.under_way else None
        return page if page is not None and page.exists() else None

    def measured(self, live: Live | None) -> dict[str, Any]:
        """Figures, criteria, totals, the tester's health and the whole catalogue; of no run (None) the catalogue alone."""
        of = (live.run_id, len(live.timeline), live.under_way) if live else ("", 0, False)
        if of != self._of:
            self._of, self._measured = of, _measured(live)
        return self._measured

    def state(self, run_id: str, step: int, since: int, pause: Callable[[], object]) -> dict[str, Any]:
        """Everything that the live page shows; `run` is None before the first run.

        `timeline` has the charts' points from number `since` on, where the asker has those before of this run at `step` seconds a point;
        else all of them. `step` and `since` in it say which they are. `pause` is called between parts of the work.
        """
        live = self.shown()
        if live is None:
            return {"run": None}
        seconds, whole = len(live.timeline), not live.under_way
        now = step_of(seconds)
        first = since if (run_id, step) == (live.run_id, now) else 0
        timeline = {"step": now, "since": first, **points(live.timeline, seconds, now, first, whole, pause)}
        return {
            "run": {**_run(live), "under_way": not whole, "report": self.report() is not None},
            **self.measured(live),
            "workers": [_worker(view) for view in live.workers()],
            "failures": [_failure(failure) for failure in live.failures()],
            "chaos": {"faults": [_fault(fault) for fault in live.chaos()], "commands": _commands(live.facts)},
            "timeline": timeline,
        }


def _run(live: Live) -> dict[str, Any]:
    facts = live.facts
    return {
        "id": live.run_id,
        "scenario": facts.scenario["name"],
        "stage": live.stage,
        "search": facts.scenario["load"]["search"] is not None,
        "seed": facts.seed,
        "dialect": facts.dialect,
        "frame": f"{facts.frame_ms:g} ms",
        "host": facts.host,
        "started_epoch_s": facts.started_epoch_s,
        "elapsed_s": live.elapsed_s,
        "talkers": live.talkers,
        "limits": {
            "e2e_latency_p50_s": _bound("e2e_latency", "p50"),
            "e2e_latency_p95_s": _bound("e2e_latency", "p95"),
            "barge_in_latency_p95_s": _bound("barge_in_latency", "p95"),
            "send_lateness_p99_s": facts.frame_ms / 2000.0,
            "loop_lag_p99_s": LOOP_LAG_LIMIT_S,
        },
    }


def _measured(live: Live | None) -> dict[str, Any]:
    aggregate = live.aggregate if live else Aggregate()
    found: dict[str, Any] = {"metrics": [_metric(row) for row in table.rows(aggregate)]}
    if live is None:
        return found
    judged = verdicts({"scenario": live.facts.scenario}, aggregate)
    return {
        **found,
        "figures": [_figure(name, which, aggregate) for name, which in SNAPSHOT],
        "criteria": [_criterion(v, live.under_way) for v in judged],
        "totals": _totals(aggregate),
        "tester": _tester(live),
    }


def _metric(row: table.Row) -> dict[str, Any]:
    return {
        "name": row.metric.name,
        "title": row.metric.title,
        "code": row.metric.code,
        "table": row.metric.table,
        "n": row.count,
        "first": row.shown("first"),
        **{which: row.shown(which) for which in table.QUANTILES},
        "targets": row.targets or "-",
        "standing": row.standing,
        "verdict": row.verdict,
    }


def _figure(name: str, which: str, aggregate: Aggregate) -> dict[str, Any]:
    metric, value = METRICS[name], aggregate.values[name]
    target = _target(name, which)
    return {
        "title": metric.title if which == "value" else f"{metric.title} {which}",
        "shown": show(aggregate_of(value, which), metric.unit),
        "n": value.count,
        "target": show_target(target, metric.unit).removeprefix(f"{which} ") if target else "",
        "standing": table.standing(target, value) if target else Standing.UNKNOWN,
        "few": 0 < value.count < metric.min_count,
    }


def _criterion(verdict: Verdict, under_way: bool) -> dict[str, Any]:
    """While the run goes on, a criterion of which too little was measured is open; at its end it is missed."""
    standing = Standing.UNKNOWN if under_way and verdict.open else (Standing.HOLDS if verdict.holds else Standing.MISSED)
    text = table.told(standing, verdict.count > 0 and verdict.few)
    measured = verdict.measured
    return {"text": verdict.criterion.text, "measured": measured, "n": verdict.count, "standing": standing, "verdict": text}


def _totals(aggregate: Aggregate) -> dict[str, Any]:
    success = aggregate.ratio("success")
    outcomes = [{"outcome": outcome, "counts": [aggregate.turns(kind, outcome) for kind in TurnKind]} for outcome in Outcome]
    return {
        "turns": aggregate.turns(),
        "barge_ins": aggregate.turns(TurnKind.BARGE_IN),
        "false_alarms": aggregate.turns(TurnKind.FALSE_ALARM),
        "failed": round(success.denominator - success.numerator),
        "sessions": sum(n for name, n in aggregate.counts.items() if name.startswith("sessions.")),
        "tokens": aggregate.counts["tokens"],
        "errors": [{"kind": kind, "n": n, "own": kind in SELF_MADE} for kind, n in aggregate.errors().items()],
        "outcomes": outcomes,
    }


def _tester(live: Live) -> dict[str, Any]:
    health, faults = live.health(), live.faults()
    return {
        "valid": not faults,
        "faults": faults,
        "cpu": _percent(live.timeline[-1]["cpu_share"] if live.timeline else None),
        "late": show(health.send_lateness.quantile(0.99), Unit.SECONDS),
        "lag": show(health.loop_lag.quantile(0.99), Unit.SECONDS),
        "frames_dropped": health.frames_dropped,
        "missed_starts": health.missed_starts,
        "records_lost": health.records_lost,
        "workers_lost": health.workers_lost,
    }


def _worker(view: WorkerView) -> dict[str, Any]:
    return {
        "name": view.name,
        "state": view.state,
        "talkers": view.talkers,
        "turns": view.turns,
        "cpu": _percent(view.cpu_share),
        "late": show(view.send_lateness_p99_s, Unit.SECONDS),
        "lag": show(view.loop_lag_p99_s, Unit.SECONDS),
        "clock": f"{view.clock_offset_s * 1000:+.1f} ms",
        "silent": f"{view.silent_s:.0f} s",
        "lost_at_s": view.lost_at_s,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    text = failure.text if len(failure.text) <= TEXT_MAX else failure.text[:TEXT_MAX] + "…"
    return {"t_s": failure.t_s, "worker": failure.worker, "talker": failure.talker, "kind": failure.kind, "text": text}


def _fault(fault: FaultRecord) -> dict[str, Any]:
    return {
        "fault": fault.fault,
        "t_s": fault.t_s,
        "what": f"{fault.what} {fault.detail or ''}".strip(),
        "for": f"{fault.for_s:.1f} s" if fault.for_s else "-",
        "by": fault.by,
        "share": _percent(fault.share),
        "hit": "-" if fault.share is None else f"{fault.hit} of {fault.present}",
    }


def _commands(facts: RunFacts) -> list[dict[str, Any]]:
    """The commands of the run's scenario, where the machine's owner allows them: their places in its list, and what they run."""
    if not facts.options.get("chaos_commands"):
        return []
    actions = enumerate(facts.scenario.get("chaos", ()))
    return [{"number": number, "text": " ".join(action["run"])} for number, action in actions if action["run"]]


def _target(name: str, which: str) -> Target | None:
    return next((t for t in METRICS[name].targets if t.aggregate == which and t.grade == "target"), None)


def _bound(name: str, which: str) -> float | None:
    target = _target(name, which)
    return target.bound if target else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"
