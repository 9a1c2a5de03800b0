"""Rules about the conversation: false alarms, barge-ins, audio that stutters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.report.facts import Facts, told
from analysis.report.finding import Finding, proof
from metrics.catalog import METRICS
from metrics.records import SUCCESSES, UNDECIDED, BargeInClass, Outcome, TurnKind


def stuck(facts: Facts) -> Iterator[Finding]:
    """After false alarms the assistant stays silent, or answers them."""
    if not facts.missed("false_alarm_resume"):
        return
    silent, answered = (facts.aggregate.turns(TurnKind.FALSE_ALARM, o) for o in (Outcome.NOT_RESUMED, Outcome.ANSWERED))
    n = facts.aggregate.turns(TurnKind.FALSE_ALARM)
    target = METRICS["false_alarm_resume"].targets[0]
    evidence = [
        proof(facts, "false_alarm_resume", target),
        f"{silent} stayed silent, {answered} were answered as turns (n {n})",
    ]
    lost = int(explained(facts).sum())
    if lost:
        evidence.append(f"{lost} of the turns into whose answers these false alarms fell never got the rest of it")
    if silent >= answered:
        yield Finding(
            "P1", "No resume after false alarms: the assistant stays silent",
            f"After mm-hm, coughs or noise {silent} of {n} answers did not go on.",
            "The caller hears nothing more, and has to ask again.", tuple(evidence),
            "What the assistant does when speech was detected and turns out to be no turn: is playback resumed, and from where?",
            "false-alarms",
        )  # fmt: skip
    else:
        yield Finding(
            "P1", "False alarms are taken for turns", f"{answered} of {n} false alarms got an answer of their own.",
            "The assistant breaks off to answer a cough.",
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
            "P0" if never >= len(barge) / 2 else "P1", what,
            f"{never} of {len(barge)} barge-ins were talked over, {unanswered} got no answer.",
            "Callers cannot get a word in, and repeat themselves.",
            (proof(facts, "interruption_success", target),
             told("yield_rate", facts.estimate("yield_rate", "value")), told("talked_over", facts.estimate("talked_over", "p95"), "p95")),
            "Whether speech is detected while the assistant speaks, and whether generating is cancelled then "
            "(`session.interrupt_response`).",
            "barge-in",
        )  # fmt: skip
    if facts.missed("barge_in_latency"):
        parts = {name: facts.estimate(name, "p95") for name in ("bargein_detection", "playback_stop", "server_cancel", "buffer_flush")}
        widest = max(parts, key=lambda name: parts[name].value or 0.0)
        target = METRICS["barge_in_latency"].targets[0]
        yield Finding(
            "P1", f"Slow to fall silent: {METRICS[widest].title} ({METRICS[widest].code})",
            f"{METRICS[widest].title} is the longest part of the way from the talker's first sound to silence.",
            "Both speak at once.", (proof(facts, "barge_in_latency", target),
                                    *(told(name, found, "p95") for name, found in parts.items() if found.value is not None)),
            f"What happens between: {METRICS[widest].begins}, and: {METRICS[widest].ends}.", "barge-in",
        )  # fmt: skip


def stutter(facts: Facts) -> Iterator[Finding]:
    """Audio that breaks off and comes back."""
    missed = [(name, t) for name in ("continuity", "underruns", "jitter") for t in facts.missed(name)]
    if not missed:
        return
    profiled = bool(facts.count("network_delay"))
    whole = any(name == "continuity" for name, _ in missed) and not profiled
    title = "The audio stutters, on the talkers' network profiles" if profiled else "The assistant's audio stutters"
    yield Finding(
        "P1" if whole else "P2", title, "Audio arrives later than it is due to be heard.",
        "Callers hear gaps within words.",
        (*(proof(facts, name, t) for name, t in missed),
         told("delivery_rtf", facts.estimate("delivery_rtf", "p95"), "p95")),
        "Whether speech is made faster than it is heard (delivery real-time factor below 1), how large the messages are, and the way "
        "between; a longer `speaker.playout_delay_s` hides it.",
        "streaming",
    )  # fmt: skip
