"""Writes a paper's folder: `paper.tex`, `tables/*.tex`, `tables/*.csv`, `figures/*.pdf`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from analysis.files import RunError
from analysis.paper import tables
from analysis.paper.latex import cell, escaped, figure, number, unit
from analysis.paper.latex import tables as latex_tables
from analysis.paper.tables import AGGREGATES, ALL, EFFECTS, Row, Test
from analysis.pool import GROUPS, Member, Pool

_COLUMNS = 4
"""Levels that a table of a setting has side by side, at most."""
_SIGNIFICANT = 0.05
_HEADS = {"mean": "Mean", "p50": "Median", "p95": "p95", "p99": "p99"}
_METHOD = (
    "Values are in milliseconds unless another unit is given; in brackets is the 95 % interval, where there are sessions enough "
    "for it. The sampling unit of all intervals and tests is the session, as turns of one call resemble one another. Latencies run "
    "from the last sample of the caller's speech, or from the beginning of the stage, as the caller meets them; network stages are "
    "half of the kernel's least round trip. A dagger marks fewer values than a verdict needs. p-values are two-sided, and adjusted "
    "by Holm's method within each table."
)


def columns(pool: Pool) -> list[str]:
    """What the turns can be grouped by: groups and axes with two levels at least."""
    return [column for column in [*GROUPS, *pool.axes] if pool.levels(column)]


def steps(pool: Pool) -> int:
    """How often `write` calls `done`."""
    return len(tables.latencies()) * (1 + len(columns(pool))) + len(EFFECTS) * len(pool.axes)


def write(pool: Pool, folder: Path, done: Callable[[], object] = lambda: None) -> Path:
    """Write all of it, in place of what was there; returns `paper.tex`. Raises RunError where it cannot be written, or matplotlib is not
    there."""
    try:
        from analysis.paper import figures
    except ModuleNotFoundError as error:
        raise RunError(f"paper: {error.name} is not installed: pip install 'matplotlib>=3.9,<4'") from None
    try:
        for below in ("tables", "figures"):
            (folder / below).mkdir(parents=True, exist_ok=True)
        whole = tables.rows(pool, ALL, tables.latencies(), done)
        _put(folder, "latency", _latency(whole), whole)
        figures.distribution(pool, ALL, folder / "figures/latency.pdf")
        figures.stages(whole, folder / "figures/stages.pdf")
        inputs = [r"\section{Latency}", r"\input{tables/latency}", _figure("latency", "End-to-end latency of all turns."),
                  _figure("stages", "The stages of a turn.")]  # fmt: skip
        tested: list[Test] = []
        for column in columns(pool):
            names = tables.latencies()
            swept = column in pool.axes
            title = f"Ablation: {column}" if swept else f"By {GROUPS[column]}"
            slug = _slug(column)
            found = tables.rows(pool, column, names, done)
            text = _by_level(found, title, slug)
            inputs += [r"\clearpage", rf"\section{{{escaped(title)}}}"]
            shown = [row for row in found if row.metric.code == "E2E"]
            if swept:
                names = [*names, *tables.measured_of(pool, EFFECTS)]
                effects = tables.rows(pool, column, EFFECTS, done)
                there = [row for row in effects if row.metric.name in names]
                tests = tables.tests(pool, column, names)
                _put(
                    folder,
                    f"{slug}-effects",
                    _side_by_side([*shown, *_named(found, "L"), *there], tests, title, f"{slug}-effects"),
                    effects,
                )
                inputs.append(rf"\input{{tables/{slug}-effects}}")
                shown += there
            else:
                tests = tables.tests(pool, column, names)
            tested += tests
            _put(folder, slug, text, found)
            figures.levels(shown, ("mean",) if swept else ("p50", "p95"), folder / f"figures/{slug}.pdf")
            figures.distribution(pool, column, folder / f"figures/{slug}-latency.pdf")
            inputs += [rf"\input{{tables/{slug}}}", _figure(slug, f"{title}: each point with its 95 % interval."),
                       _figure(f"{slug}-latency", f"{title}: end-to-end latency.")]  # fmt: skip
        if tested:
            (folder / "tables/significance.tex").write_text(_significance(tested), encoding="utf-8")
            _tests_csv(tested).to_csv(folder / "tables/significance.csv", index=False)
            inputs += [r"\clearpage", r"\section{Differences}", r"\input{tables/significance}"]
        (folder / "tables/runs.tex").write_text(_runs(pool), encoding="utf-8")
        path = folder / "paper.tex"
        path.write_text(_paper(pool, inputs), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror or error}") from None
    return path


def _put(folder: Path, name: str, text: str, rows: Sequence[Row]) -> None:
    (folder / f"tables/{name}.tex").write_text(text, encoding="utf-8")
    _csv(rows).to_csv(folder / f"tables/{name}.csv", index=False)


def _csv(rows: Sequence[Row]) -> pd.DataFrame:
    """A line per metric, level and aggregate; values in the metric's own unit."""
    return pd.DataFrame(
        [
            {
                "group": row.group, "level": row.level, "metric": row.metric.name, "code": row.metric.code, "unit": row.metric.unit.value,
                "aggregate": which, "value": e.value, "low": e.low, "high": e.high, "n": e.n, "sessions": e.sessions, "few": row.few,
                "why": e.why,
            }
            for row in rows
            for which, e in row.estimates.items()
        ]
    )  # fmt: skip


def _tests_csv(tested: Sequence[Test]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "group": t.group, "level": t.level, "against": t.against, "metric": t.metric.name, "unit": t.metric.unit.value,
                "n": t.n[1], "n_against": t.n[0], "effect": t.result and t.result.value, "low": t.result and t.result.low,
                "high": t.result and t.result.high, "p": t.result and t.result.p, "p_adjusted": t.adjusted, "why": t.why,
            }
            for t in tested
        ]
    )  # fmt: skip


def _latency(rows: Sequence[Row]) -> str:
    header = ["", "Stage", "$n$", "Sessions", *(_HEADS[which] for which in AGGREGATES)]
    lines = [[row.metric.code, escaped(row.metric.title), _n(row), str(row.sessions), *_cells(row)] for row in rows]
    return latex_tables(header, lines, "llrrrrrr", "End-to-end latency and its stages over all runs, in ms.", "tab:latency", [1])


def _by_level(rows: Sequence[Row], title: str, slug: str) -> str:
    levels = list(dict.fromkeys(row.level for row in rows))
    lines: list[list[str]] = []
    rules = []
    for level in levels:
        rules.append(len(lines))
        for i, row in enumerate(row for row in rows if row.level == level):
            lines.append([escaped(level) if i == 0 else "", row.metric.code, _n(row), *_cells(row)])
    return latex_tables(
        ["", "", "$n$", *(_HEADS[which] for which in AGGREGATES)], lines, "llrrrrr", f"{title}, in ms.", f"tab:{slug}", rules
    )


def _side_by_side(rows: Sequence[Row], tests: Sequence[Test], title: str, slug: str) -> str:
    """A line per metric, a column per level; a star where it differs from the first."""
    levels = list(dict.fromkeys(row.level for row in rows))
    stars = {(t.level, t.metric.name) for t in tests if t.adjusted is not None and t.adjusted < _SIGNIFICANT}
    names = list(dict.fromkeys(row.metric.name for row in rows))
    made = []
    for begin in range(0, len(levels), _COLUMNS):
        some = levels[begin : begin + _COLUMNS]
        lines = []
        for name in names:
            of = {row.level: row for row in rows if row.metric.name == name}
            metric = of[levels[0]].metric
            word = unit(metric.unit)
            shown = [_first(of[level], r"$^\ast$" if (level, name) in stars else "") for level in some]
            lines.append([metric.code, escaped(metric.title + (f" ({word})" if word else "")), *shown])
        caption = f"{title}: means, shares and rates; a star where one differs from that of {levels[0]} (adjusted p below {_SIGNIFICANT})."
        made.append(latex_tables(["", "", *map(escaped, some)], lines, "ll" + "r" * len(some), caption, f"tab:{slug}{begin or ''}"))
    return "".join(made)


def _significance(tested: Sequence[Test]) -> str:
    groups, levels = list(dict.fromkeys(t.group for t in tested)), list(dict.fromkeys((t.group, t.level) for t in tested))
    header = ["", "against", "", "Difference of means", "$n$", "$p$", "adjusted"]
    lines: list[list[str]] = []
    rules, last = [], ("", "")
    for test in sorted(tested, key=lambda test: (groups.index(test.group), levels.index((test.group, test.level)))):
        first = (test.group, test.level) != last
        if first:
            rules.append(len(lines))
        effect = _effect(test)
        name = test.metric.code or test.metric.title
        label = [escaped(test.level), escaped(test.against)] if first else ["", ""]
        lines.append(
            [*label, escaped(name), effect, f"{test.n[1]}, {test.n[0]}", _p(test.result.p if test.result else None), _p(test.adjusted)]
        )
        last = (test.group, test.level)
    return latex_tables(
        header,
        lines,
        "lllrrrr",
        "Each group against the one it is compared with; a dash where no test can be made (the CSV file says why).",
        "tab:significance",
        rules,
    )


def _effect(test: Test) -> str:
    of, result = test.metric.unit, test.result
    if result is None:
        return "--"
    effect = f"{number(result.value, of)} {escaped(unit(of))}"
    if result.low is None or result.high is None:
        return effect
    return rf"{effect} {{\scriptsize [{number(result.low, of)}, {number(result.high, of)}]}}"


def _runs(pool: Pool) -> str:
    header = ["Run", "Scenario", "Seed", "Frame", "Talkers", "Turns", "Sessions", "Seconds"]
    lines = [_run(member) for member in pool.members]
    return latex_tables(header, lines, "llrrrrrr", "The runs.", "tab:runs")


def _run(member: Member) -> list[str]:
    info = member.run.info
    mark = "" if info["valid"] else " (INVALID)"
    totals = info["totals"]
    return [
        escaped(member.run.name + mark),
        escaped(str(info["scenario"]["name"])),
        str(info["seed"]),
        f"{info['frame_ms']:g} ms",
        str(info["talkers_max"]),
        str(totals.get("turns", 0)),
        str(totals.get("sessions", 0)),
        f"{info['duration_s']:.0f}",
    ]


def _paper(pool: Pool, inputs: Sequence[str]) -> str:
    versions = pool.members[0].run.info["versions"]
    said = [_METHOD]
    invalid = [member.run.name for member in pool.members if not member.run.info["valid"]]
    if invalid:
        said.insert(0, "INVALID: the tester was not fit to measure; do not use these numbers. Runs: " + ", ".join(invalid) + ".")
    if pool.left_out:
        names = ", ".join(member.run.name for member in pool.left_out)
        said.append(f"Left out, as the tester was not fit to measure: {names}.")
    told = "\n\n".join(rf"\textbf{{{escaped(text)}}}" if text.startswith("INVALID") else escaped(text) for text in said)
    return "\n".join(
        [
            r"\documentclass[a4paper]{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage{graphicx}",
            r"\usepackage[margin=20mm]{geometry}",
            rf"\title{{{escaped(_title(pool))}}}",
            rf"\author{{Doubletalk {escaped(str(versions['doubletalk']))}}}",
            r"\date{}",
            r"\begin{document}",
            r"\maketitle",
            told.replace("A dagger", r"A dagger ($^\dagger$)"),
            r"\input{tables/runs}",
            *inputs,
            r"\end{document}",
            "",
        ]
    )


def _title(pool: Pool) -> str:
    names = list(dict.fromkeys(str(member.run.info["scenario"]["name"]) for member in pool.members))
    return f"Measurements: {', '.join(names)}"


def _cells(row: Row) -> list[str]:
    return [cell(row.estimates[which], row.metric.unit) for which in AGGREGATES]


def _first(row: Row, mark: str) -> str:
    shown = cell(next(iter(row.estimates.values())), row.metric.unit, mark + (r"$^\dagger$" if row.few else ""))
    return rf"{shown} {{\scriptsize $n$ {row.n}}}"


def _n(row: Row) -> str:
    return f"{row.n}" + (r"$^\dagger$" if row.few else "")


def _named(rows: Sequence[Row], begins: str) -> list[Row]:
    return [row for row in rows if row.metric.code.startswith(begins)]


def _p(value: float | None) -> str:
    return "--" if value is None else "$<$0.001" if value < 0.001 else f"{value:.3f}"


def _figure(name: str, caption: str) -> str:
    return figure(f"figures/{name}.pdf", caption, f"fig:{name}")


def _slug(column: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", column).strip("-") or "setting"
