"""The head of a report: whether the run is to be believed, whether it passed, and the numbers that tell most."""

from __future__ import annotations

from datetime import UTC, datetime

from analysis import shown
from analysis.document import Block, Figure, Figures, Section, Table, Text
from analysis.report.facts import MOODS, Facts, Standing
from metrics.catalog import METRICS
from metrics.metric import show_target
from metrics.records import TurnKind
from metrics.summary import SNAPSHOT
from metrics.verdicts import COMPLETE, passed, verdict, verdicts


def lead(facts: Facts) -> list[Block]:
    """Verdict, what makes it doubtful, and what the run was."""
    info, aggregate = facts.info, facts.aggregate
    good = passed(info, aggregate)
    blocks: list[Block] = [Text(verdict(info, aggregate), mood="good" if good else "bad")]
    if not info["valid"]:
        told = (
            "**The numbers on this page are not the assistant's**: the tester was not fit to measure. Use none of them for a decision; "
            "mend "
            "this, and run again:"
        )
        blocks += [Text(told, mood="bad"), Text("", tuple(info["faults"]))]
    elif info["ended"] != COMPLETE:
        blocks.append(
            Text(f"The run was not complete ({info['ended']}): what is below is of its first {info['duration_s']:.0f} s.", mood="warning")
        )
    talkers, turns = shown.counted(info["talkers_max"], "talker"), shown.counted(aggregate.turns(), "turn")
    alarms = shown.counted(aggregate.turns(TurnKind.FALSE_ALARM), "false alarm")
    started = datetime.fromtimestamp(info["started_epoch_s"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    blocks.append(Text(
        f"{facts.scenario['description']} Started {started}: {talkers} for {info['duration_s']:.0f} s against "
        f"`{info['host']}`, dialect {info['dialect']}, {info['frame_ms']:g} ms frames, seed {info['seed']}: {turns} "
        f"({aggregate.turns(TurnKind.BARGE_IN)} of them barge-ins), {alarms}, "
        f"{shown.counted(info['totals']['sessions'], 'session')}."
    ))  # fmt: skip
    return blocks


def criteria(facts: Facts) -> Section:
    """What decides the verdict: each criterion; of a search, each step."""
    info = facts.info
    if info["capacity"]:
        return Section("Verdict", "verdict", [_steps(facts)])
    judged = verdicts(info, facts.aggregate)
    if not judged:
        return Section("Verdict", "verdict", [Text("The scenario sets no criteria: nothing decides whether this run is good enough.")])
    rows, moods = [], {}
    for at, v in enumerate(judged):
        plain = v.criterion.base is None and v.criterion.stage == "" and v.criterion.aggregate != "count"
        interval = (
            shown.interval(facts.estimate(v.criterion.metric, v.criterion.aggregate), METRICS[v.criterion.metric].unit) if plain else "-"
        )
        moods[at] = "good" if v.holds else "bad"
        rows.append(
            (v.criterion.text, v.measured, interval, str(v.count), ("holds" if v.holds else "MISSED") + (" (few)" if v.few else ""))
        )
    note = (
        "The criteria are the scenario's, and decide the exit code by the value alone; where the bound lies within the interval, "
        "another run "
        "may well say otherwise. Percentiles here are values that occurred, exact to 0.5 %; elsewhere on this page they lie between two of "
        "them, and differ where there are few."
    )
    header = ("criterion", "measured", "95 % interval", "n", "verdict")
    return Section("Verdict", "verdict", [Table(header, rows, "Criteria", note, frozenset({1, 2, 3}), moods)])


def snapshot(facts: Facts) -> Section:
    """The numbers that tell most, each with n, interval and target."""
    items = []
    for name, which in SNAPSHOT:
        metric, found, target = METRICS[name], facts.estimate(name, which), facts.target(name, which)
        stands = facts.stands(name, target) if target else Standing.UNKNOWN
        interval = shown.interval(found, metric.unit)
        told = [f"n {found.n}" if found.n else facts.absent(name), f"95 %: {interval}" if interval != "-" else ""]
        told.append(f"target {show_target(target, metric.unit).removeprefix(f'{which} ')}: {stands}" if target and found.n else "")
        title = metric.title if which == "value" else f"{metric.title} {which}"
        items.append(Figure(title, shown.value(found, metric.unit), ", ".join(part for part in told if part), MOODS[stands]))
    legend = (
        "Targets are the catalogue's, whatever the run's criteria are. **MISSED** and **met** hold for the whole 95 % interval; **may "
        "be chance**: the interval reaches over the target; **no interval**: too few sessions to tell one."
    )
    return Section("Snapshot", "snapshot", [Figures(items), Text(legend)])


def _steps(facts: Facts) -> Table:
    """What a search for the capacity has tried."""
    rows, moods = [], {}
    for at, tried in enumerate(facts.info["capacity"]["steps"]):
        said, moods[at] = {True: ("holds", "good"), False: ("MISSED", "bad"), None: ("too few to say", "warning")}[tried["holds"]]
        measured = "; ".join(f"{v['criterion']}: {v['measured']} (n {v['count']})" for v in tried["criteria"])
        rows.append((str(at + 1), str(tried["talkers"]), measured, said))
    note = (
        "A search judges each step by the scenario's criteria. All other numbers of this report are of all steps together, those that "
        "failed too."
    )
    return Table(("step", "talkers", "measured", "verdict"), rows, "Steps of the search", note, frozenset({0, 1}), moods)
