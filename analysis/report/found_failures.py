"""Rules about what failed: turns, sessions, the machines."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.report import load
from analysis.report.facts import Facts, told, wanted
from analysis.report.finding import Finding, proof
from analysis.report.found_talk import explained
from metrics.catalog import METRICS
from metrics.faults import DETECTED
from metrics.metric import show
from metrics.records import SELF_MADE

SHARE_P0 = 0.05
"""A kind of failure that hits more than this share of turns is critical: the voice-bot summary wants 95 % to succeed."""
SHARE_P2 = 0.01
"""One that hits less is not worth an issue of its own."""
GROWTH_PER_HOUR = 0.05
"""Memory that grows by more than this part of itself an hour is gone in a day."""
FREE_LOSSES = 3
"""So many failures of a kind may happen in any run."""


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
    whose = ", ".join(f"{count} {of}s" for of, count in hit["of"].value_counts().items())
    yield Finding(
        "P0" if max(share, refused) > SHARE_P0 else "P2" if len(hit) <= FREE_LOSSES else "P1", "Rate limits under load",
        f"{len(hit)} requests were refused for too many of them{where}.", "Callers beyond the limit get no session or no answer.",
        (f"rate_limited: {len(hit)} of {len(found)} failures ({len(hit) / len(found) * 100:.0f} %): {whose}",
         f"{share * 100:.1f} % of turns (n {n})", f"first at {hit['t_s'].min():.1f} s of the run"),
        "The quotas of the assistant and of the services behind it; retry with a growing wait, and a queue. `python -m analysis "
        "capacity` tells where it begins.", "load",
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
            "P0" if share > SHARE_P0 else "P1", f"Turns fail: {kind}", f"{len(part)} of {n} turns failed with `{kind}`.",
            "These callers got no answer, or half of one.",
            (told("success", facts.estimate("success", "value")), f"{kind}: {len(part)} turns ({share * 100:.1f} %, n {n}){most}",
             f"with {at.min():.0f} to {at.max():.0f} sessions open, first at {part['t_s'].min():.1f} s"),
            "The assistant's log at these instants; the worst turns of this report are drawn.", "load",
        )  # fmt: skip


def memory(facts: Facts) -> Iterator[Finding]:
    """Memory that grows, the load being the same."""
    growth, mean = facts.estimate("target_memory_growth", "value"), facts.estimate("target_memory", "mean")
    if growth.low is None or growth.value is None or mean.value is None or growth.low <= GROWTH_PER_HOUR * mean.value:
        return
    yield Finding(
        "P0", "The target's memory grows", f"It grows by {growth.value / 1e6:.1f} MB an hour at the same load.",
        "It ends with the process being killed, and all of its calls with it.",
        (told("target_memory_growth", growth), told("target_memory", mean, "mean")),
        "What is kept of each turn and each call: histories without a limit, sessions that are never let go. The scenario "
        "`soak` runs longer.",
        "target",
    )  # fmt: skip


def lost_sessions(facts: Facts) -> Iterator[Finding]:
    """Sessions that end by themselves, and talkers that do not get another."""
    made = [fault for fault in facts.info.get("chaos") or [] if fault["by"] != DETECTED]
    for name, priority, title, impact in (
        ("session_success", "P1", "Sessions are lost or refused", "The call is cut off, or never begins."),
        ("automatic_recovery_rate", "P0", "Lost sessions do not come back", "Callers stay cut off until they call again."),
        ("time_to_recover", "P1", "Lost sessions come back late", "Callers hear nothing for this long."),
        ("availability", "P1", "The assistant is not always available", "Callers wait for a session."),
    ):
        if name == "availability" and made:  # the tester took the sessions away
            continue
        for target in facts.missed(name):
            found = facts.estimate(name, target.aggregate)
            counts = {o.split(".", 1)[1]: n for o, n in facts.aggregate.counts.items() if o.startswith("sessions.")}
            yield Finding(
                priority, title, f"{METRICS[name].title}: {show(found.value, METRICS[name].unit)}, where {wanted(name, target)} is wanted.",
                impact, (proof(facts, name, target), f"sessions: {', '.join(f'{n} {o}' for o, n in counts.items())}"),
                "How connections end (close codes are in sessions.parquet), and what a client gets that connects again.", "recovery",
            )  # fmt: skip
    never = [fault for fault in facts.info.get("chaos") or [] if fault["time_to_recover_s"] is None]
    if never:
        yield Finding(
            "P0", "Not everybody recovered from a fault",
            f"After {len(never)} of {len(facts.info['chaos'])} faults some talkers never had a session again.",
            "Callers stay cut off.",
            tuple(f"{fault['fault']} ({fault['what']}) at {fault['t_s']:.1f} s: {fault['noticed']} noticed, "
                  f"{fault['sessions_lost']} sessions lost"
                  for fault in never),
            "What a client gets that connects again after this fault.", "recovery",
        )  # fmt: skip


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
            "P2", "The load was lower than planned", f"{health['missed_starts']} calls or token requests began late.",
            "The assistant met fewer callers than the scenario wants.",
            (f"{health['missed_starts']} missed starts, n {facts.info['totals']['sessions']} sessions",),
            "More talkers (`load.talkers`), or more workers.", "tester",
        )  # fmt: skip
