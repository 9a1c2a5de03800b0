"""The pure parts of a paper: LaTeX and numbers; and words that were misheard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import words
from analysis.__main__ import main
from analysis.paper.latex import ROWS, cell, escaped, number, tables
from analysis.statistics.estimate import Estimate
from benchmarks.made import make
from metrics.metric import Unit


@given(st.text(max_size=80))
def test_no_special_character_is_left(text: str) -> None:
    shown = escaped(text)
    bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[&%$#_{}]|\$[<>|]\$", "", shown)
    assert not set(bare) & set("\\&%$#_{}~^<>|\n")
    assert all(0x20 <= ord(c) <= 0x17F for c in shown)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.7531, Unit.SECONDS, "753"), (0.0821, Unit.SECONDS, "82.1"), (0.00821, Unit.SECONDS, "8.21"), (0.0000124, Unit.SECONDS, "0.012"),
        (0.0099999, Unit.SECONDS, "10.0"), (0.0999996, Unit.SECONDS, "100"), (-0.05, Unit.SECONDS, "$-$50.0"), (0.9731, Unit.SHARE, "97.3"),
        (1.0, Unit.SHARE, "100"), (0.25, Unit.PER_MINUTE, "0.250"), (None, Unit.SECONDS, "--"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, unit: Unit, shown: str) -> None:
    assert number(value, unit) == shown


def test_a_cell_without_an_interval() -> None:
    assert cell(Estimate(0.5, None, None, 3, 1, "why"), Unit.SECONDS) == "500"
    assert cell(Estimate(0.5, 0.4, 0.6, 3, 9), Unit.SECONDS, "*") == r"500* {\scriptsize [400, 600]}"


def test_long_tables_are_cut_before_a_rule() -> None:
    made = tables(["a"], [[str(i)] for i in range(2 * ROWS)], "l", "Many", "tab:x", range(0, 2 * ROWS, 15))
    assert made.count(r"\begin{table}") == 3
    assert re.findall(r"Many \(\d of 3\)", made) == ["Many (1 of 3)", "Many (2 of 3)", "Many (3 of 3)"]
    bodies = [[int(n) for n in re.findall(r"(?:^|\n)(\d+) ", part)] for part in made.split(r"\end{table}")[:-1]]
    assert [body[0] for body in bodies] == [0, 30, 60]
    assert [n for body in bodies for n in body] == list(range(2 * ROWS))
    assert made.count(r"\label") == 1


@pytest.mark.parametrize(
    ("spoken", "heard", "errors"),
    [
        ("What is the weather?", "what is the weather", 0), ("Don't wait, please.", "don't wait please", 0), ("a b c", "a c", 1),
        ("a b c", "a x c", 1), ("a b c", "a b b c", 1), ("a b", "", 2), ("mm-hm", "mm hm", 0), ("a b c d", "d c b a", 4),
    ],
)  # fmt: skip
def test_word_errors(spoken: str, heard: str, errors: int) -> None:
    assert words.errors(spoken, heard) == errors


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_word_errors_are_a_distance(first: list[str], second: list[str]) -> None:
    there, back = words.errors(" ".join(first), " ".join(second)), words.errors(" ".join(second), " ".join(first))
    assert there == back
    assert (there == 0) == (first == second)
    assert abs(len(first) - len(second)) <= there <= max(len(first), len(second))


def test_the_command_counts_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(tmp_path / "run", 200)
    assert main(["words", str(folder), "--most", "50%"]) == 0
    rate = float(re.search(r"^Word error rate: ([\d.]+) % \(", capsys.readouterr().out, re.MULTILINE)[1])
    assert main(["words", str(folder), "--most", str((rate - 0.2) / 100)]) == 1
    told = capsys.readouterr().out
    assert f"MISSED: word error rate {rate} %" in told
    assert re.search(r"- \d+ x: “.*” was heard as “.*”", told)
    assert main(["words", str(folder), "--most", "many"]) == 2
    assert capsys.readouterr().err == "doubletalk: --most many: write a share, such as 10% or 0.1\n"
