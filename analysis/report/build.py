"""The report of a run as a document."""

from __future__ import annotations

from collections.abc import Callable

from analysis.document import Document, Section, Text
from analysis.load import Loaded
from analysis.report import interruptions, issues, latency, load, machines, network, streaming, targets, verdict, worst
from analysis.report.facts import Facts
from metrics.catalog import METRICS

SECTIONS: tuple[Callable[[Facts], Section], ...] = (
    verdict.criteria, verdict.snapshot, issues.section, latency.section, interruptions.barge_ins, interruptions.false_alarms,
             streaming.section, load.section,
    load.recovery, network.section, machines.target, machines.tester, worst.section, targets.section, targets.readiness,
)  # fmt: skip
"""In the order in which they are read."""


def report(run: Loaded, step: Callable[[], object] = lambda: None) -> Document:
    """All that is said of a run. `step` is called as the work goes on. Raises RunError where a file is broken."""
    facts = Facts(run, step)
    title = f"{facts.scenario['name']}: {run.name}"
    sections = [*(section(facts) for section in SECTIONS), _absent(facts)]
    return Document(title, verdict.lead(facts), sections if facts.info["valid"] else [_marked(section) for section in sections])


def _marked(section: Section) -> Section:
    """A section of an invalid run, which says so beside its own numbers."""
    warning = Text("**From an INVALID run**: the tester was not fit to measure.", mood="bad")
    return Section(section.title, section.anchor, [warning, *section.blocks]) if section.blocks else section


def _absent(facts: Facts) -> Section:
    """Why numbers are not there."""
    items = tuple(f"{metric.title}: {facts.absent(metric.name)}" for metric in METRICS.values() if not facts.count(metric.name))
    return Section("Not measured in this run", "absent", [Text("", items)] if items else [])
