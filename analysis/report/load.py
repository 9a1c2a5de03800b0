"""Load, outcomes and errors; recovery from what was broken."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, latency, tables
from analysis.report.facts import Facts, cell
from metrics.catalog import METRICS
from metrics.metric import Unit, aggregate_of, show
from metrics.records import Outcome, TurnKind

_LOAD = ("success", "session_success", "token_success", "availability", "abandonment", "calls_begun", "session_setup", "token_mint_latency")
_RECOVERY = ("session_success", "automatic_recovery_rate", "time_to_recover", "reconnects_per_hour", "availability")
_BY_STAGE = (("success", "value"), ("e2e_latency", "p50"), ("e2e_latency", "p95"), ("barge_in_latency", "p95"), ("underruns", "value"))


def section(facts: Facts) -> Section:
    """What was asked of the assistant, and what failed."""
    names = [name for name in _LOAD if facts.count(name) or name == "success"]
    blocks: list[Block] = [_over_time(facts), tables.metrics(facts, names, "Load"), *_outcomes(facts), *_errors(facts)]
    blocks += [*_success(facts), *_stages(facts)]
    return Section("Load and errors", "load", blocks)


def recovery(facts: Facts) -> Section:
    """What was lost, broken on purpose or not, and whether it came back; left out where nothing was lost or asked for."""
    faults = facts.info.get("chaos") or []
    if not faults and not facts.count("automatic_recovery_rate") and not facts.scenario.get("chaos"):
        return Section(
            "Recovery",
            "recovery",
            [Text("No session was lost, and the scenario breaks nothing: whether the assistant recovers was not tried.")],
        )
    blocks: list[Block] = [
        tables.metrics(facts, _RECOVERY, "Recovery", "What chaos or a network profile broke is not the assistant's failure.")
    ]
    if faults:
        rows, moods = [], {}
        for at, fault in enumerate(faults):
            back = fault["time_to_recover_s"]
            what = " ".join(
                part for part in (fault["what"], fault["detail"] or "", f"{fault['for_s']:.1f} s" if fault["for_s"] else "") if part
            )
            moods[at] = "bad" if back is None else "plain"
            rows.append((
                fault["fault"], f"{fault['t_s']:.1f} s", what, fault["by"], f"{fault['hit']} of {fault['present']}",
                str(fault["noticed"]), str(fault["sessions_lost"]), str(fault["turns_failed"]), show(fault["automatic_recovery_rate"],
                         Unit.SHARE),
                show(fault["availability"], Unit.SHARE), "never" if back is None else show(back or None, Unit.SECONDS),
            ))  # fmt: skip
        header = (
            "fault",
            "at",
            "what",
            "by",
            "hit",
            "noticed by",
            "sessions lost",
            "turns failed",
            "came back",
            "availability",
            "time to recover",
        )
        blocks.append(
            Table(
                header,
                rows,
                f"What was broken, n {len(faults)} faults",
                "docs/chaos.md says how these are counted.",
                frozenset({1, 4, 5, 6, 7, 8, 9, 10}),
                moods,
            )
        )
    elif facts.scenario.get("chaos"):
        blocks.append(Text("The scenario breaks something, but nothing was broken before the run ended.", mood="warning"))
    return Section("Recovery", "recovery", blocks)


def _over_time(facts: Facts) -> Chart:
    seconds = facts.run.timeline
    x, group = _thinned(seconds)
    talkers = seconds.groupby(group)["talkers"].max().to_numpy(float)
    failed, turns = (seconds.groupby(group)[name].sum().to_numpy(float) for name in ("failures", "turns"))
    length = max(1.0, float(seconds["t_s"].max()) / max(len(x), 1)) if len(seconds) else 1.0
    drawn = charts.line(x, talkers, "talkers there", "blue", mode="lines")
    drawn["line"] |= {"shape": "hv", "width": 2.4}
    bar = {"type": "bar", "x": x, "yaxis": "y2", "width": length}
    data = [
        {**bar, "y": (turns - failed) / length, "name": "turns a second", "marker": {"color": "--green/0.55"}},
        {**bar, "y": failed / length, "name": "failed a second", "marker": {"color": "--orange"}},
        drawn,
    ]
    figure = charts.figure(data, "seconds of the run", "talkers", barmode="stack", bargap=0, yaxis={"rangemode": "tozero"},
                           yaxis2={"title": {"text": "turns a second"}, "overlaying": "y", "side": "right", "showgrid": False,
                                    "rangemode": "tozero"},
                           margin={"r": 56})  # fmt: skip
    chaos = [charts.mark(fault["t_s"], fault["fault"], "grey", "dash") for fault in facts.info.get("chaos") or []]
    figure["layout"]["shapes"] = chaos
    says = f"At most {facts.info['talkers_max']} talkers; {int(turns.sum())} turns ended, {int(failed.sum())} of them failed."
    return Chart(f"Talkers, and turns a second, over time, n {int(turns.sum())} turns", figure, says)


def _thinned(seconds: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """At most 300 points of a timeline: the second at which each begins, and to which point each row belongs."""
    size = max(1, -(-len(seconds) // 300))
    group = np.arange(len(seconds)) // size
    return seconds["t_s"].groupby(group).min().to_numpy(float), group


def _outcomes(facts: Facts) -> list[Block]:
    rows = []
    for outcome in Outcome:
        counts = [facts.aggregate.turns(kind, outcome) for kind in TurnKind]
        if any(counts):
            rows.append((outcome.value, *map(str, counts)))
    if not rows:
        return [Text("No turn was measured.")]
    n = [facts.aggregate.turns(kind) for kind in TurnKind]
    rows.append(("all", *map(str, n)))
    note = "`completed` and `interrupted` are successes; `cut_by_run_end` counts neither way; false alarms are owed no answer."
    return [Table(("outcome", "utterances", "barge-ins", "false alarms"), rows, "Outcomes", note, frozenset({1, 2, 3}))]


def errors(facts: Facts) -> pd.DataFrame:
    """Each failure of a turn, a session or a token. Columns: `kind`, `error`, `of` (turn, session, token), `t_s`, `concurrency` (NaN but of
    turns)."""
    parts = []
    for of, table in (("turn", facts.run.turns), ("session", facts.run.sessions), ("token", facts.run.tokens)):
        failed = table[table["error_kind"].notna()]
        parts.append(pd.DataFrame({"kind": failed["error_kind"], "error": failed["error"], "of": of, "t_s": failed["t_s"],
                                   "concurrency": failed.get("concurrency", np.nan)}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _errors(facts: Facts) -> list[Block]:
    found = errors(facts)
    if found.empty:
        return [Text(f"No errors: no turn (n {facts.aggregate.turns()}), session or token failed.", mood="good")]
    rows = []
    for kind, part in sorted(found.groupby("kind"), key=lambda item: -len(item[1])):
        text = part["error"].dropna()
        told = "" if text.empty else text.value_counts().index[0]
        at = part["concurrency"].dropna()
        where = ", ".join(f"{n} {of}s" for of, n in part["of"].value_counts().items())
        rows.append((str(kind), str(len(part)), f"{len(part) / len(found) * 100:.0f} %", where, f"{part['t_s'].min():.1f} s",
                     f"{at.min():.0f} to {at.max():.0f}" if len(at) else "-", str(told)[:120]))  # fmt: skip
    header = ("kind", "count", "share", "of", "first at", "with sessions open", "most often told")
    note = "Kinds `chaos` and `network` are the tester's own doing."
    return [Table(header, rows, f"Errors by kind, n {len(found)}", note, frozenset({1, 2, 4, 5}))]


def _success(facts: Facts) -> list[Block]:
    found = latency.levels(facts.turns)
    if not found or not facts.count("success"):
        return []
    x = [level for level, _ in found]
    series = [facts.estimate("success", "value", where) for _, where in found]
    data = charts.estimated(x, series, "success", "green", 100.0)
    target = facts.target("success", "value")
    shapes = [charts.limit(target.bound * 100.0, "target")] if target else []
    figure = charts.figure(data, "sessions open when the talker spoke", "% of turns answered", shapes=shapes, showlegend=False)
    says = (
        f"Success is {cell(series[0], METRICS['success'])} at {x[0]:.0f} sessions and {cell(series[-1], METRICS['success'])} at "
        f"{x[-1]:.0f}; n {sum(e.n for e in series)}."
    )
    return [Chart(f"Success against concurrency (%), n {sum(e.n for e in series)}", figure, says)]


def _stages(facts: Facts) -> list[Block]:
    """The stages of the load, or the steps of a search, beside one another."""
    names = list(facts.aggregate.stages)
    if not names:
        return []
    turns = facts.turns
    rows = []
    for name in names:
        where = turns["stage"] == name
        if not where.any():  # of a search: its steps have no times of their own in run.json
            part = facts.aggregate.stage(name)
            cells = [show(aggregate_of(part.values[metric], which), METRICS[metric].unit) for metric, which in _BY_STAGE]
            rows.append((name, str(part.turns()), *cells))
            continue
        rows.append(
            (name, str(int(where.sum())), *(cell(facts.estimate(metric, which, where), METRICS[metric]) for metric, which in _BY_STAGE))
        )
    header = ("stage", "turns", *(f"{METRICS[metric].title} {which}".removesuffix(" value") for metric, which in _BY_STAGE))
    return [Table(header, rows, "Stages of the load", tables.bracketed([(*row, "") for row in rows]), frozenset(range(1, 7)))]
