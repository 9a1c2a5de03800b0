"""analysis/page.py and analysis/markdown.py: a document as a page and as text."""

from __future__ import annotations

import json
import re

import numpy as np

from analysis.document import Chart, Document, Figure, Figures, Part, Section, Table, Text
from analysis.markdown import markdown
from analysis.page import html, inline

HOSTILE = "<img src=x onerror=alert(1)></script>"
TABLE = Table(("metric", "n"), [("ttft | x", "147"), (HOSTILE, "3")], "Latencies", "few", frozenset({1}), {1: "bad"})
CHART = Chart(
    "Latency (ms)",
    {"data": [{"y": np.array([1.23456789, np.nan]), "name": HOSTILE}], "layout": {"x": np.int64(3), "t": (1, float("inf"))}},
    "It is 1 ms (n 2).",
)


def of(*blocks: object) -> Document:
    return Document("a run", [Text("PASSED")], [Section("Latency", "latency", list(blocks)), Section("Empty", "empty", [])])


def test_what_a_text_holds_is_shown_and_nothing_else_of_it_is_markup() -> None:
    assert inline("`a<b` is **so** [there](#x) <i>") == '<code>a&lt;b</code> is <strong>so</strong> <a href="#x">there</a> &lt;i&gt;'
    assert inline("[there](javascript:alert) [x](http://h)") == "[there](javascript:alert) [x](http://h)"


def test_a_page_holds_no_markup_of_what_was_measured() -> None:
    shown = html(of(Text(HOSTILE), TABLE, Figures([Figure(HOSTILE, HOSTILE, HOSTILE)]), CHART, Part(HOSTILE, [Text("x", (HOSTILE,))])))
    assert "<img" not in shown
    assert shown.count("</script>") == shown.count("<script")


def test_tables_have_headers_with_a_scope_and_a_caption() -> None:
    shown = html(of(TABLE))
    assert '<th scope="col">metric</th><th scope="col" class="n">n</th>' in shown
    assert '<th scope="row">ttft | x</th><td class="n">147</td>' in shown
    assert re.search(r'aria-labelledby="table-1">\s*<table>\s*<caption id="table-1">Latencies</caption>', shown)


def test_a_cell_shows_code_and_strong_as_a_text_does() -> None:
    shown = html(of(Table(("what", "run"), [("**Total**", "the scenario `chaos`")])))
    assert '<th scope="row"><strong>Total</strong></th><td class="">the scenario <code>chaos</code></td>' in shown
    assert HOSTILE not in html(of(Table(("what",), [(HOSTILE,)])))


def test_the_charts_script_is_there_once_and_only_where_there_is_a_chart() -> None:
    assert len(html(of(TABLE))) < 30_000
    assert len(html(of(CHART, CHART))) < 6_000_000
    assert len(html(of(Part("in it", [CHART])))) > 4_000_000


def test_a_charts_numbers_are_json() -> None:
    found = re.search(r'<script type="application/json">(.*?)</script>', html(of(CHART)))
    assert found is not None
    figure = json.loads(found[1])
    assert figure == {"data": [{"y": [1.23457, None], "name": HOSTILE}], "layout": {"x": 3, "t": [1, None]}}


def test_a_section_without_blocks_is_left_out() -> None:
    assert "Empty" not in html(of(TABLE))
    assert "Empty" not in markdown(of(TABLE))


def test_markdown() -> None:
    blocks = (Text("", ("a", "b")), TABLE, Figures([Figure("Success", "96 %", "n 50", "bad"), Figure("TTFT", "2 s", "n 3")]), CHART)
    assert markdown(of(*blocks, Part("Issue", [Text("x", mood="warning")]))) == (
        "# a run\n\nPASSED\n\n## Latency\n\n- a\n- b\n\n**Latencies**\n\n"
        "| metric                                      | n   |\n|---------------------------------------------|-----|\n"
        "| ttft \\| x                                   | 147 |\n| &lt;img src=x onerror=alert(1)>&lt;/script> | 3   |\n\nfew\n\n"
        "```\n✗  Success  96 %  n 50\n-  TTFT     2 s   n 3\n```\n\n**Latency (ms).** It is 1 ms (n 2).\n\n### Issue\n\n⚠ x\n"
    )
