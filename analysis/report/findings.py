"""What is wrong with the assistant, and what with the run: a table of rules, each of which reads the facts and may find something.

A rule speaks only of what is sure: where the whole 95 % interval lies beyond a target, or of what was counted. What may be chance is in the
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis import shown
from analysis.report import latency, load
from analysis.report.facts import Facts, told, wanted
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.metric import Target, Unit, show
from metrics.records import SELF_MADE, SUCCESSES, UNDECIDED, BargeInClass, Outcome, TurnKind

SLOW_P95_S = 2.0
"""End-to-end latency beyond this at p95 is critical: the system design's alert."""
SHARE_P0 = 0.05
"""A kind of failure that hits more than this share of turns is critical: the voice-bot summary wants 95 % to succeed."""
SHARE_P2 = 0.01
"""One that hits less is not worth an issue of its own."""
CARRIES = 0.5
"""A stage carries the latency where it is beyond its own target by at least this part of what the whole is beyond its target by."""
RISE = 1.25
"""Latency that is so many times as high with the most sessions as with the fewest rises with the load."""
GROWTH_PER_HOUR = 0.05
"""Memory that grows by more than this part of itself an hour is gone in a day."""
FREE_LOSSES = 3
"""So many failures of a kind may happen in any run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue: what is wrong, what it does to callers, what shows it (each with its n), where to look. `priority`: P0 critical, P1 high,
    P2 to know. `part`: the section with more, by its anchor."""

    priority: str
    title: str
    problem: str
    impact: str
    evidence: tuple[str, ...]
    look: str
    part: str


def find(facts: Facts) -> list[Finding]:
    """All that the rules find, the most urgent first."""
    if not facts.aggregate.turns():
        return []
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: finding.priority)


def slow(facts: Facts) -> Iterator[Finding]:
    """Latency beyond its targets, and the stage that it comes from."""
    missed = [("e2e_latency", t) for t in facts.missed("e2e_latency")] + [("ttft", t) for t in facts.missed("ttft")]
    if not missed:
        return
    p95 = facts.estimate("e2e_latency", "p95")
    priority = "P0" if p95.low is not None and p95.low > SLOW_P95_S else "P1"
    beyond = max(_excess(facts, name, target) for name, target in missed)
    evidence = [f"{told(name, facts.estimate(name, t.aggregate), t.aggregate)}; target {wanted(name, t)}" for name, t in missed]
    impact = f"Callers wait {show(facts.estimate('e2e_latency', 'p50').value, Unit.SECONDS)} for an answer to be heard, at the median; people answer one another after 236 ms (LG)."
    network = facts.estimate("network_delay", "mean")
    if network.value is not None and network.value >= CARRIES * beyond:
        yield Finding(
            "P2", "The talkers' network profile carries the latency, not the assistant",
            f"Of what callers wait, {show(network.value, Unit.SECONDS)} are the network profile's own delay.", impact,
            (*evidence, told("network_delay", network, "mean"), told("assistant_latency", facts.estimate("assistant_latency", "mean"), "mean")),
            "Judge the assistant by `assistant_latency`; the profile is the scenario's `networks`.", "network",
        )  # fmt: skip
        return
    over = _beyond(facts)
    carrying = [stage for stage in over if stage[0] >= CARRIES * beyond]
    if carrying:
        excess, name, target = carrying[0]
        metric = METRICS[name]
        share = f"{(facts.estimate(name, 'mean').value or 0.0) / (facts.estimate('e2e_latency', 'mean').value or 1.0) * 100:.0f} %"
        yield Finding(
            priority, f"Slow stage: {metric.title} ({metric.code}) carries the latency",
            f"{metric.title} is {show(excess, metric.unit)} beyond its target and makes {share} of the end-to-end latency; no other stage is so far off.",
            impact, (*evidence, f"{told(name, facts.estimate(name, target.aggregate), target.aggregate)}; target {wanted(name, target)}",
                     f"{told(name, facts.estimate(name, 'mean'), 'mean')}, {share} of the mean end-to-end latency"),
            f"What happens between: {metric.begins}, and: {metric.ends}.", "latency",
        )  # fmt: skip
        return
    shares = {name: facts.estimate(name, "mean") for name in latency.ON_PATH}
    widest = max(shares, key=lambda name: shares[name].value or -1.0)
    parts = [f"{told(name, facts.estimate(name, t.aggregate), t.aggregate)}; target {wanted(name, t)}" for _, name, t in over[:3]]
    yield Finding(
        priority, f"Slow, and no stage alone carries it; the longest is {METRICS[widest].title}",
        "The end-to-end latency is beyond its target, and no stage is beyond its own by half as much.", impact,
        (*evidence, told(widest, shares[widest], "mean"), *parts),
        "The endpointing delay is mostly the silence that the assistant waits for (`session.silence_duration_ms`); the residual holds what no event tells.", "latency",
    )  # fmt: skip


def _excess(facts: Facts, name: str, target: Target) -> float:
    value = facts.estimate(name, target.aggregate).value
    return 0.0 if value is None else value - target.bound


def _beyond(facts: Facts) -> list[tuple[float, str, Target]]:
    """Stages that surely miss their median's target: by how much, the most first."""
    made = []
    for metric in METRICS.values():
        if metric.code[:1] == "L" and metric.name != "mic_capture":  # a frame's own duration, which the tester chose
            made += [(_excess(facts, metric.name, t), metric.name, t) for t in facts.missed(metric.name) if t.aggregate == "p50"]
    return sorted(made, reverse=True, key=lambda one: one[0])


def rate_limits(facts: Facts) -> Iterator[Finding]:
    """Refused for too many requests."""
    found = load.errors(facts)
    hit = found[found["kind"] == "rate_limited"]
    if hit.empty:
        return
    n = facts.aggregate.turns()
    share = int((hit["of"] == "turn").sum()) / max(n, 1)
    refused = len(hit) / max(n + facts.info["totals"]["sessions"] + facts.aggregate.counts["tokens"], 1)
    at = hit["concurrency"].dropna()
    where = f", from {at.min():.0f} open sessions on" if len(at) else ""
    yield Finding(
        "P0" if max(share, refused) > SHARE_P0 else "P1", "Rate limits under load",
        f"{len(hit)} requests were refused for too many of them{where}.", "Callers beyond the limit get no session or no answer.",
        (f"rate_limited: {len(hit)} of {len(found)} failures ({len(hit) / len(found) * 100:.0f} %): " + ", ".join(f"{c} {of}s" for of, c in hit["of"].value_counts().items()),
         f"{share * 100:.1f} % of turns (n {n})", f"first at {hit['t_s'].min():.1f} s of the run"),
        "The quotas of the assistant and of the services behind it; retry with a growing wait, and a queue. `python -m analysis capacity` tells where it begins.", "load",
    )  # fmt: skip


def stuck(facts: Facts) -> Iterator[Finding]:
    """After false alarms the assistant stays silent, or answers them."""
    if not facts.missed("false_alarm_resume"):
        return
    resumed = facts.estimate("false_alarm_resume", "value")
    silent, answered = (facts.aggregate.turns(TurnKind.FALSE_ALARM, o) for o in (Outcome.NOT_RESUMED, Outcome.ANSWERED))
    n = facts.aggregate.turns(TurnKind.FALSE_ALARM)
    target = METRICS["false_alarm_resume"].targets[0]
    evidence = [
        f"{told('false_alarm_resume', resumed)}; target {wanted('false_alarm_resume', target)}",
        f"{silent} stayed silent, {answered} were answered as turns (n {n})",
    ]
    lost = int(explained(facts).sum())
    if lost:
        evidence.append(f"{lost} of the turns into whose answers these false alarms fell never got the rest of it")
    if silent >= answered:
        yield Finding(
            "P1", "No resume after false alarms: the assistant stays silent", f"After mm-hm, coughs or noise {silent} of {n} answers did not go on.",
            "The caller hears nothing more, and has to ask again.", tuple(evidence),
            "What the assistant does when speech was detected and turns out to be no turn: is playback resumed, and from where?", "false-alarms",
        )  # fmt: skip
    else:
        yield Finding(
            "P1", "False alarms are taken for turns", f"{answered} of {n} false alarms got an answer of their own.", "The assistant breaks off to answer a cough.",
            tuple(evidence), "Turn detection: how much speech, and of what kind, makes a turn.", "false-alarms",
        )  # fmt: skip


def explained(facts: Facts) -> np.ndarray:
    """Of each turn and false alarm of the table: whether it is a turn that failed with its answer silenced by a false alarm."""
    turns = facts.run.turns
    hosts = set(turns.loc[(turns["kind"] == "false_alarm") & (turns["outcome"] == Outcome.NOT_RESUMED.value), "host_response_id"].dropna())
    found: np.ndarray = (turns["response_id"].isin(hosts) & turns["error_kind"].notna()).to_numpy()
    return found


def interrupted(facts: Facts) -> Iterator[Finding]:
    """Barge-ins that do not work, or work slowly."""
    if facts.missed("interruption_success"):
        turns = facts.turns
        barge = turns[turns["kind"] == "barge_in"]
        never = int((barge["barge_in_class"] == BargeInClass.NO_REACTION.value).sum())
        unanswered = int((~barge["outcome"].isin([*SUCCESSES, *UNDECIDED])).sum())
        target = METRICS["interruption_success"].targets[0]
        what = "The assistant does not stop when interrupted" if never >= unanswered else "Interruptions get no answer"
        yield Finding(
            "P0" if never >= len(barge) / 2 else "P1", what, f"{never} of {len(barge)} barge-ins were talked over, {unanswered} got no answer.",
            "Callers cannot get a word in, and repeat themselves.",
            (f"{told('interruption_success', facts.estimate('interruption_success', 'value'))}; target {wanted('interruption_success', target)}",
             told("yield_rate", facts.estimate("yield_rate", "value")), told("talked_over", facts.estimate("talked_over", "p95"), "p95")),
            "Whether speech is detected while the assistant speaks, and whether generating is cancelled then (`session.interrupt_response`).", "barge-in",
        )  # fmt: skip
    if facts.missed("barge_in_latency"):
        parts = {name: facts.estimate(name, "p95") for name in ("bargein_detection", "playback_stop", "server_cancel", "buffer_flush")}
        widest = max(parts, key=lambda name: parts[name].value or 0.0)
        target = METRICS["barge_in_latency"].targets[0]
        yield Finding(
            "P1", f"Slow to fall silent: {METRICS[widest].title} ({METRICS[widest].code})", f"{METRICS[widest].title} is the longest part of the way from the talker's first sound to silence.",
            "Both speak at once.", (f"{told('barge_in_latency', facts.estimate('barge_in_latency', 'p95'), 'p95')}; target {wanted('barge_in_latency', target)}",
                                    *(told(name, found, "p95") for name, found in parts.items() if found.value is not None)),
            f"What happens between: {METRICS[widest].begins}, and: {METRICS[widest].ends}.", "barge-in",
        )  # fmt: skip


def failures(facts: Facts) -> Iterator[Finding]:
    """Turns that failed, by kind, but those that another rule explains."""
    turns = facts.run.turns
    own = [kind.value for kind in SELF_MADE]
    lost = turns[
        turns["error_kind"].notna()
        & (turns["kind"] != "false_alarm")
        & ~turns["error_kind"].isin([*own, "rate_limited"])
        & ~explained(facts)
    ]
    n = facts.aggregate.turns()
    for kind, part in lost.groupby("error_kind"):
        share = len(part) / n
        if len(part) <= FREE_LOSSES or share < SHARE_P2:
            continue
        texts = part["error"].dropna()
        most = "" if texts.empty else f"; most often told: {str(texts.value_counts().index[0])[:120]}"
        at = part["concurrency"]
        yield Finding(
            "P0" if share > SHARE_P0 else "P1", f"Turns fail: {kind}", f"{len(part)} of {n} turns failed with `{kind}`.", "These callers got no answer, or half of one.",
            (told("success", facts.estimate("success", "value")), f"{kind}: {len(part)} turns ({share * 100:.1f} %, n {n}){most}",
             f"with {at.min():.0f} to {at.max():.0f} sessions open, first at {part['t_s'].min():.1f} s"),
            "The assistant's log at these instants; the worst turns of this report are drawn.", "load",
        )  # fmt: skip


def stutter(facts: Facts) -> Iterator[Finding]:
    """Audio that breaks off and comes back."""
    missed = [(name, t) for name in ("continuity", "underruns", "jitter") for t in facts.missed(name)]
    if not missed:
        return
    whole = any(name == "continuity" for name, _ in missed)
    yield Finding(
        "P1" if whole else "P2", "The assistant's audio stutters", "Audio arrives later than it is due to be heard.", "Callers hear gaps within words.",
        (*(f"{told(name, facts.estimate(name, t.aggregate), t.aggregate)}; target {wanted(name, t)}" for name, t in missed),
         told("delivery_rtf", facts.estimate("delivery_rtf", "p95"), "p95")),
        "Whether speech is made faster than it is heard (delivery real-time factor below 1), how large the messages are, and the way between; a longer `speaker.playout_delay_s` hides it.",
        "streaming",
    )  # fmt: skip


def memory(facts: Facts) -> Iterator[Finding]:
    """Memory that grows, the load being the same."""
    growth, mean = facts.estimate("target_memory_growth", "value"), facts.estimate("target_memory", "mean")
    if growth.low is None or growth.value is None or mean.value is None or growth.low <= GROWTH_PER_HOUR * mean.value:
        return
    yield Finding(
        "P0", "The target's memory grows", f"It grows by {growth.value / 1e6:.1f} MB an hour at the same load.", "It ends with the process being killed, and all of its calls with it.",
        (told("target_memory_growth", growth), told("target_memory", mean, "mean")),
        "What is kept of each turn and each call: histories without a limit, sessions that are never let go. The scenario `soak` runs longer.", "target",
    )  # fmt: skip


def lost_sessions(facts: Facts) -> Iterator[Finding]:
    """Sessions that end by themselves, and talkers that do not get another."""
    for name, priority, title, impact in (
        ("session_success", "P1", "Sessions are lost or refused", "The call is cut off, or never begins."),
        ("automatic_recovery_rate", "P0", "Lost sessions do not come back", "Callers stay cut off until they call again."),
        ("time_to_recover", "P1", "Lost sessions come back late", "Callers hear nothing for this long."),
        ("availability", "P1", "The assistant is not always available", "Callers wait for a session."),
    ):
        for target in facts.missed(name):
            found = facts.estimate(name, target.aggregate)
            counts = {o.split(".", 1)[1]: n for o, n in facts.aggregate.counts.items() if o.startswith("sessions.")}
            yield Finding(
                priority, title, f"{METRICS[name].title}: {show(found.value, METRICS[name].unit)}, where {wanted(name, target)} is wanted.", impact,
                (f"{told(name, found, target.aggregate)}; target {wanted(name, target)}", "sessions: " + ", ".join(f"{n} {o}" for o, n in counts.items())),
                "How connections end (close codes are in sessions.parquet), and what a client gets that connects again.", "recovery",
            )  # fmt: skip
    never = [fault for fault in facts.info.get("chaos") or [] if fault["time_to_recover_s"] is None]
    if never:
        yield Finding(
            "P0", "Not everybody recovered from a fault", f"After {len(never)} of {len(facts.info['chaos'])} faults some talkers never had a session again.", "Callers stay cut off.",
            tuple(f"{fault['fault']} ({fault['what']}) at {fault['t_s']:.1f} s: {fault['noticed']} noticed, {fault['sessions_lost']} sessions lost" for fault in never),
            "What a client gets that connects again after this fault.", "recovery",
        )  # fmt: skip


def rises(facts: Facts) -> Iterator[Finding]:
    """Latency that goes up with the number of callers."""
    found = latency.levels(facts.turns, 3, 30)
    if not found or found[-1][0] < 1.5 * found[0][0]:
        return
    first, last = (facts.estimate("e2e_latency", "p50", where) for _, where in (found[0], found[-1]))
    if not _above(last, first):
        return
    few, many = found[0][0], found[-1][0]
    yield Finding(
        "P1" if facts.missed("e2e_latency") else "P2", "Latency rises with concurrency",
        f"At the median callers wait {(last.value or 0.0) / (first.value or 1.0):.1f} times as long with {many:.0f} sessions open as with {few:.0f}.", "The more callers, the slower for all.",
        (f"p50 with {few:.0f} sessions: {shown.full(first, Unit.SECONDS)}", f"p50 with {many:.0f} sessions: {shown.full(last, Unit.SECONDS)}"),
        "What is shared by all calls: a queue, a pool, a quota, a core. `python -m analysis capacity` tells which stage grows, and from where on.", "latency",
    )  # fmt: skip


def _above(last: Estimate, first: Estimate) -> bool:
    """Surely, and by more than a little."""
    if last.value is None or first.value is None or last.low is None or first.high is None:
        return False
    return last.low > first.high and last.value > RISE * first.value


def own_limits(facts: Facts) -> Iterator[Finding]:
    """What the tester could not do."""
    health = facts.info["health"]
    if not facts.info["valid"]:
        yield Finding(
            "P0", "The tester was not fit to measure: this run decides nothing", "The tester itself was too slow or lost something.",
            "Every number of this report, and every other issue of this list, may be the tester's doing.", tuple(facts.info["faults"]),
            "docs/trust.md: more workers, longer frames, a quieter machine; then run again.", "tester",
        )  # fmt: skip
    elif health["missed_starts"] and facts.scenario["load"]["arrivals"] != "closed":
        yield Finding(
            "P2", "The load was lower than planned", f"{health['missed_starts']} calls or token requests began late.", "The assistant met fewer callers than the scenario wants.",
            (f"{health['missed_starts']} missed starts, n {facts.info['totals']['sessions']} sessions",), "More talkers (`load.talkers`), or more workers.", "tester",
        )  # fmt: skip


Rule = Callable[[Facts], Iterator[Finding]]
RULES: tuple[Rule, ...] = (own_limits, slow, rate_limits, stuck, interrupted, failures, stutter, memory, lost_sessions, rises)
"""In the order in which equals are shown."""
