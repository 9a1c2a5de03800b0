"""The network's part and the assistant's."""

from __future__ import annotations

from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts, cell, told
from metrics.catalog import METRICS


def section(facts: Facts) -> Section:
    """With network profiles: what each added, and what the assistant took without it. Without: what the kernel tells of the way."""
    names = ("uplink_network", "downlink_network", "network_quality_index")
    if not facts.count("network_delay"):
        told_of = tables.metrics(facts, names, "The way, as the kernel tells it")
        return Section(
            "Network",
            "network",
            [Text("The talkers had no network profile: the latency is the assistant's and the real network's."), told_of],
        )
    blocks: list[Block] = [
        *_profiles(facts),
        tables.metrics(facts, ("network_delay", "assistant_latency", *names), "All profiles together"),
        *_damage(facts),
    ]
    return Section("Network", "network", blocks)


def _profiles(facts: Facts) -> list[Block]:
    turns = facts.turns
    profiles = [str(name) for name in turns["network"].dropna().unique()]
    rows, means = [], []
    for name in sorted(profiles):
        where = turns["network"] == name
        found = {metric: facts.estimate(metric, "p50", where) for metric in ("e2e_latency", "network_delay", "assistant_latency")}
        means.append([facts.estimate(metric, "mean", where) for metric in ("assistant_latency", "network_delay")])
        rows.append((name, str(found["e2e_latency"].n), *(cell(e, METRICS[m]) for m, e in found.items())))
    header = ("profile", "n", "End-to-end p50", "the profile's delay p50", "without it p50")
    data = []
    for at, (title, colour) in enumerate((("assistant", "blue"), ("network profile", "orange"))):
        y = [None if found[at].value is None else (found[at].value or 0.0) * 1000.0 for found in means]
        common = {"type": "bar", "name": title, "hovertemplate": "%{y:.0f} ms", "marker": {"color": f"--{colour}"}}
        data.append({**common, "x": [row[0] for row in rows], "y": y})
    n = sum(found[0].n for found in means)
    figure = charts.figure(data, "network profile", "ms (means)", barmode="stack", xaxis={"type": "category"})
    parts = [told(name, facts.estimate(name, "mean"), "mean") for name in ("assistant_latency", "network_delay")]
    says = f"{'; '.join(parts)}."
    return [
        Chart(f"Latency: the assistant's part and the network profile's (means, ms), n {n}", figure, says),
        Table(header, rows, "By profile", tables.INTERVALS, frozenset(range(1, 5))),
    ]


def _damage(facts: Facts) -> list[Block]:
    """What the profiles did to sessions."""
    sessions = facts.run.sessions[facts.run.sessions["network"].notna()]
    if sessions.empty:
        return []
    rows = []
    for name, part in sessions.groupby("network"):
        lost, stalls, stalled, frames = (
            part[c].sum() for c in ("network_losses", "network_stalls", "network_stalled_s", "network_frames_lost")
        )
        resets = int(part["network_reset"].fillna(False).astype(bool).sum() + part["network_half_open"].fillna(False).astype(bool).sum())
        rows.append((str(name), str(len(part)), f"{lost:.0f}", f"{stalls:.0f}", f"{stalled:.1f} s", f"{frames:.0f}", str(resets)))
    header = ("profile", "sessions", "segments lost", "stalls", "stalled for", "frames never sent", "reset or half open")
    return [Table(header, rows, f"What the profiles did, n {len(sessions)} sessions", numeric=frozenset(range(1, 7)))]
