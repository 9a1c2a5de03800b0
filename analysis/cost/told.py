"""What a run's calls cost, as a document."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import shown
from analysis.cost.bill import Bill, Line, bill, per_month
from analysis.cost.prices import UNITS, Prices
from analysis.cost.usage import Usage, usage
from analysis.document import Block, Chart, Document, Section, Table, Text
from analysis.load import Loaded
from analysis.statistics.estimate import Estimate

CUT = 0.2
"""Where the run's end cut more than this share of the calls, those that came to their end are noticeably shorter than calls are."""


def document(run: Loaded, prices: Prices, calls_per_day: float | None = None, minutes_per_day: float | None = None) -> Document:
    """The whole of it."""
    used = usage(run)
    made = bill(prices, used)
    lead: list[Block] = []
    if not run.info["valid"]:
        words = "**INVALID: the tester was not fit to measure.** What was used was used all the same; how calls went may not be as usual."
        lead.append(Text(words, tuple(run.info["faults"]), "bad"))
    total = made.total
    sums = used.calls[["call", "request", "session_hour"]].sum()
    hours = run.info["duration_s"] / 3600.0
    callers = sums["session_hour"] / hours
    spoken = (
        f"{sums['call']:.0f} calls, {sums['request']:.0f} requests (utterances and barge-ins), {sums['session_hour']:.2f} hours connected."
    )
    lead.append(Text(f"{run.name}: {spoken}"))
    lead.append(Text(f"Prices of {prices.as_of}: {prices.source}. Check the provider's page."))
    figures = (
        f"Per call: {_full(prices, total.per_call)}",
        f"Per 1,000 requests: {_full(prices, total.per_1000_requests)}",
        f"Per hour of call: {_full(prices, total.per_hour)}",
        f"Per hour at {callers:.1f} callers, the run's mean: {prices.money(None if total.cost is None else total.cost / hours)}",
    )  # fmt: skip
    lead.append(
        Text("" if made.whole else "**Less than all**, as not all usage was told (below):", figures, "plain" if made.whole else "warning")
    )
    cut = int((~used.ended).sum())
    if total.per_call.value is not None and cut > CUT * len(used.ended):
        words = (
            f"{cut} of {len(used.ended)} calls were cut by the run's end. Those that came to their end are the shorter ones: **per call**, "
            "and a month of so many calls, are too low. Make a longer run, or tell the load in minutes (`--minutes-per-day`)."
        )
        lead.append(Text(words, mood="warning"))
    sections = [
        Section("By component", "components", _components(made, prices)),
        Section("What nobody heard", "unheard", _unheard(used, made, prices)),
        Section("Per month", "month", _month(per_month(calls_per_day, minutes_per_day, total), prices)),
        Section("What was used", "used", _used(used)),
    ]
    return Document(f"Cost: {run.info['scenario']['name']}", lead, sections)


def _components(made: Bill, prices: Prices) -> list[Block]:
    rows = [_row(line, prices) for line in made.lines]
    total = made.total
    rows.append(("**Total**", "", "", *_costs(total, prices)))
    header = ("component", "price", "used", "cost of the run", "per call", "per 1,000 requests", "95 %", "per hour of call")
    note = "Intervals take the call as unit. Per call: of the calls that the run let come to their end."
    blocks: list[Block] = [Table(header, rows, f"By component, in {prices.currency}", note, frozenset(range(1, 8)))]
    untold = [f"{line.price.component} per {_spelled(line)}: {line.why}" for line in made.lines if line.cost is None]
    if untold:
        blocks.append(Text("Not known, and in no sum:", tuple(untold), "warning"))
    partly = [
        f"{line.price.component} per {_spelled(line)}: told by {shown.part(line.part)} of the answers"
        for line in made.lines
        if 0 < line.part < 1
    ]
    if partly:
        blocks.append(Text("Known in part; the rest counts as nothing:", tuple(partly), "warning"))
    if total.per_call.value is None:
        blocks.append(Text(f"Per call is not known: {total.per_call.why}.", mood="warning"))
    shares = [line for line in made.lines if line.cost]
    if shares:
        bars = {"type": "bar", "x": [_name(s) for s in shares], "y": [s.per_1000_requests.value for s in shares]}
        layout = {"yaxis": {"title": {"text": prices.currency}}}
        each = "; ".join(f"{_name(s)} {prices.money(s.per_1000_requests.value)}" for s in shares)
        says = f"{each}; n {total.per_1000_requests.n} calls."
        blocks.append(Chart(f"Cost of 1,000 requests by component ({prices.currency})", {"data": [bars], "layout": layout}, says, 260))
    return blocks


def _row(line: Line, prices: Prices) -> tuple[str, ...]:
    price = "free" if line.price.price == 0 else f"{prices.currency} {line.price.price:g} per {_spelled(line)}"
    return (_name(line), price, "-" if line.used is None else f"{line.used:,.4g}", *_costs(line, prices))


def _name(line: Line) -> str:
    return line.price.component + (f" ({line.price.note})" if line.price.note else "")


def _spelled(line: Line) -> str:
    """The unit of its price in words: `minute spoken`."""
    return line.price.per.replace("_", " ")


def _costs(line: Line, prices: Prices) -> tuple[str, ...]:
    each = line.per_1000_requests
    return (
        prices.money(line.cost),
        prices.money(line.per_call.value),
        prices.money(each.value),
        _ends(prices, each),
        prices.money(line.per_hour.value),
    )


def _unheard(used: Usage, made: Bill, prices: Prices) -> list[Block]:
    if not used.received_s:
        return [Text("The assistant sent no audio.")]
    share = f"{shown.part(used.unheard_s / used.received_s, 1)} of the {used.received_s:.1f} s of audio received"
    lines = [
        f"{used.unheard_s:.1f} s were not heard, as the talker had interrupted: {share}, of {used.cut} answers.",
        "What they cost is not known."
        if made.total.unheard is None
        else f"They cost {prices.money(made.total.unheard)} of {prices.money(made.total.cost)}.",
    ]
    if used.unowned_s > 0.05:
        words = "belong to no turn's answer (given to a false alarm, or begun anew): whether they were heard is not known."
        lines.append(f"{used.unowned_s:.1f} s {words}")
    note = (
        "Received less played, of interrupted answers: their audio per minute, and their tokens out by the same share. What was generated "
        "and never sent is in it where the usage of the cancelled response tells its tokens."
    )
    return [Text("", tuple(lines)), Text(note)]


def _month(found: Sequence[tuple[str, Estimate]], prices: Prices) -> list[Block]:
    rows = [(load, prices.money(each.value), _ends(prices, each), str(each.n)) for load, each in found]
    note = "For calls like these; a month has 30.4 days. The interval is that of the mean call, not of a month's luck."
    return [Table(("load", "a month", "95 %", "n calls"), rows, note=note, numeric=frozenset({1, 2, 3}))] if rows else []


def _used(used: Usage) -> list[Block]:
    sums = used.calls.sum(min_count=1)
    rows = [(f"`{unit}`", words, "-" if sums[unit] != sums[unit] else f"{sums[unit]:,.5g}") for unit, words in UNITS.items()]
    told = ", ".join(f"`{name}` {count}" for name, count in used.told.items())
    blocks: list[Block] = [Table(("per", "is", "used"), rows, note="A dash: the assistant told none.", numeric=frozenset({2}))]
    untold = "Answers to false alarms, and the transcription of the talker's speech, tell no usage in the records."
    blocks.append(Text(f"Of {used.responses} answers told: {told}. {untold}"))
    return blocks


def _full(prices: Prices, one: Estimate) -> str:
    if one.value is None:
        return f"- ({one.why})"
    how_sure = one.why if one.low is None else _ends(prices, one)
    return f"**{prices.money(one.value)}** ({how_sure}, n {one.n} calls)"


def _ends(prices: Prices, one: Estimate) -> str:
    return "-" if one.low is None or one.high is None else f"{prices.money(max(0.0, one.low))} to {prices.money(one.high)}"
