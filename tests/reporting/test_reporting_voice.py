"""The tab "Voice" and the live page, through Flask's test client on Locust's own web UI."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reporting_live import HOSTILE, a_run, second
from reporting_records import FACTS
from reporting_sites import VoiceSite

from metrics.catalog import METRICS
from metrics.faults import FaultRecord

Site = Callable[..., VoiceSite]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "argv", ["locust"])
    made: list[VoiceSite] = []

    def make(*arguments: Any, **options: Any) -> VoiceSite:
        made.append(VoiceSite(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def tab(made: VoiceSite, base: str = "") -> list[dict[str, Any]]:
    told = made.client.get(f"{base}/stats/requests").json
    assert "stats" in told
    (found,) = told["extended_stats"]
    assert found["key"] == "voice"
    rows: list[dict[str, Any]] = found["data"]
    return rows


def metrics_csv(made: VoiceSite) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made.client.get("/voice/metrics.csv").get_data(as_text=True))))


def test_the_tab_before_the_first_run_has_every_metric_with_its_targets(site: Site) -> None:
    rows = tab(site())
    assert [row["title"] for row in rows] == [metric.title for metric in METRICS.values()]
    assert {row["p50"] for row in rows} == {row["verdict"] for row in rows} == {"-"}
    assert next(row for row in rows if row["title"] == "Success")["targets"] == "> 95 %"


def test_the_tab_of_a_run_begins_with_why_it_is_invalid(site: Site) -> None:
    rows = tab(site(a_run()))
    assert rows[0]["title"] == "INVALID: 1 worker(s) lost: their talkers fell silent; look at their logs"
    assert len(rows) == 1 + len(METRICS)
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows), "Locust's page sorts by it"
    e2e = next(row for row in rows if row["title"] == "End-to-end latency")
    assert (e2e["n"], e2e["max"], e2e["verdict"]) == (19, "600\N{NO-BREAK SPACE}ms", "holds")
    success = next(row for row in rows if row["title"] == "Success")
    assert (success["first"], success["p50"], success["verdict"]) == ("95.0\N{NO-BREAK SPACE}%", "-", "MISSED")


def test_locusts_page_has_the_tab_and_links_to_the_live_page(site: Site) -> None:
    page = site().client.get("/").get_data(as_text=True)
    assert '"title": "Voice"' in page
    assert '"href": "./voice/"' in page
    assert '"href": "./voice/metrics.csv"' in page
    (script,) = re.findall(r'<script src="\./(voice/assets/[0-9a-f]+/tab\.js)" defer></script>\s*</body>', page)
    assert site().client.get(f"/{script}").status_code == 200


def test_the_state(site: Site) -> None:
    made = site(a_run())
    told = made.client.get("/voice/data")
    assert (told.mimetype, told.headers["Cache-Control"]) == ("application/json", "no-store")
    assert (told.json["run"]["id"], len(told.json["timeline"]["t_s"])) == ("20261125-120000-demo", 12)
    made.live.timeline = [*made.live.timeline, second(13)]
    new = made.client.get("/voice/data?run=20261125-120000-demo&step=1&since=12").json["timeline"]
    assert (new["since"], new["t_s"]) == (12, [13.0])
    assert site().client.get("/voice/data").json == {"run": None}


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "٣", "9" * 11, ""])
@pytest.mark.parametrize("name", ["since", "step"])
def test_a_number_that_is_none_is_told(site: Site, name: str, text: str) -> None:
    told = site(a_run()).client.get(f"/voice/data?{name}={text}")
    assert told.status_code == 400
    assert told.get_data(as_text=True) == f"{name}: {text!r} is no whole number from 0 on\n"


def test_the_csv_file_has_the_values_in_their_units(site: Site) -> None:
    made = site(a_run())
    reply = made.client.get("/voice/metrics.csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="20261125-120000-demo-metrics.csv"'
    rows = {row["metric"]: row for row in metrics_csv(made)}
    assert list(rows) == list(METRICS)
    e2e = rows["e2e_latency"]
    assert (e2e["run"], e2e["valid"], e2e["unit"], e2e["count"], e2e["value"]) == ("20261125-120000-demo", "no", "s", "19", "")
    assert (float(e2e["max"]), float(e2e["p99"])) == (0.6, 0.6)
    assert float(e2e["mean"]) == pytest.approx((sum(0.5 + n / 1000 for n in range(18)) + 0.6) / 19)
    assert e2e["targets"].count(",") == 3, "a cell with commas is one cell"
    assert (rows["success"]["value"], rows["success"]["mean"], rows["success"]["verdict"]) == ("0.95", "", "MISSED")
    assert (rows["yield_rate"]["value"], rows["yield_rate"]["verdict"]) == ("", "-")
    assert {row["valid"] for row in metrics_csv(site(a_run(of_health=replace(a_run().of_health, workers_lost=0))))} == {"yes"}


def test_the_csv_file_before_the_first_run(site: Site) -> None:
    made = site()
    assert made.client.get("/voice/metrics.csv").headers["Content-Disposition"] == 'attachment; filename="metrics.csv"'
    rows = metrics_csv(made)
    assert len(rows) == len(METRICS)
    assert {(row["run"], row["valid"], row["count"], row["p50"]) for row in rows} == {("", "", "0", "")}


def test_the_page_may_load_nothing_from_elsewhere_and_nothing_inline(site: Site) -> None:
    reply = site(a_run()).client.get("/voice/")
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    page = reply.get_data(as_text=True)
    assert "://" not in page
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", page)
    assert all(re.search(r'src="assets/', script) for script in re.findall(r"<script[^>]*>", page))
    assert "{{" not in page


def test_other_sites_may_read_nothing_and_no_type_is_guessed(site: Site) -> None:
    """Locust lets every site read everything of its own."""
    made = site(a_run())
    for path in ("/voice/", "/voice/data", "/voice/metrics.csv", "/voice/data?since=x"):
        headers = made.client.get(path, headers={"Origin": "http://evil.example"}).headers
        assert headers["Access-Control-Allow-Origin"] == "http://localhost"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("page.css", "text/css"), ("page.js", "text/javascript"), ("plotly.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
def test_files_are_kept_by_browsers_for_good(site: Site, name: str, kind: str) -> None:
    made = site()
    packed, plain = made.asset(name, **{"Accept-Encoding": "gzip, br"}), made.asset(name)
    assert packed.headers["Content-Type"] == plain.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert packed.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    assert len(plain.data) > 100


@pytest.mark.parametrize(
    "path",
    ["assets/0123456789abcdef/page.js", "assets/{digest}/nope.js", "assets/{digest}/..%2fvoice.py", "assets/{digest}/index.html"],
)
def test_no_other_file_is_served(site: Site, path: str) -> None:
    made = site()
    digest = re.findall(r"assets/([0-9a-f]{16})/page\.js", made.client.get("/voice/").get_data(as_text=True))[0]
    assert made.client.get(f"/voice/{path.format(digest=digest)}").status_code == 404


def test_below_a_base_path(site: Site) -> None:
    made = site(a_run(), base="/lt")
    assert made.client.get("/lt/voice/").status_code == 200
    assert made.client.get("/lt/voice").headers["Location"].endswith("/lt/voice/")
    assert made.client.get("/lt/voice/data").json["run"]["id"] == "20261125-120000-demo"
    assert made.client.get("/voice/").status_code == 404
    assert len(tab(made, "/lt")) == 1 + len(METRICS)
    assert "voice/assets/" in made.client.get("/lt/").get_data(as_text=True)


PATHS = ("/voice/", "/voice/data", "/voice/metrics.csv", "/voice/assets/x/page.js")


def test_without_a_login_nothing_is_told(site: Site) -> None:
    made = site(a_run(), login=True)
    for path in (*PATHS, "/stats/requests", "/"):
        reply = made.client.get(path)
        assert reply.status_code == 302
        assert "/login" in reply.headers["Location"]
        for secret in (b"demo", b"e2e_latency", b"End-to-end"):
            assert secret not in reply.data


def test_with_a_login_it_is(site: Site) -> None:
    made = site(a_run(), login=True)
    made.log_in()
    assert made.client.get("/voice/data").json["run"]["scenario"] == "demo"
    assert made.client.get("/voice/").status_code == 200
    assert len(tab(made)) == 1 + len(METRICS)


def test_what_an_assistant_sends_is_data_and_in_no_page(site: Site) -> None:
    made = site(a_run())
    reply = made.client.get("/voice/data")
    assert reply.json["failures"][0]["text"] == HOSTILE
    assert reply.mimetype == "application/json"
    for path in ("/", "/voice/", "/stats/requests"):
        assert "hacked" not in made.client.get(path).get_data(as_text=True)


def test_the_page_is_told_that_it_runs_until_the_run_is_over(site: Site) -> None:
    """Locust's page asks no more once it is told `stopped`: what it has then stays."""
    made = site(a_run(under_way=True))
    made.runner.state = "stopped"
    assert made.client.get("/stats/requests").json["state"] == "running"
    made.live.under_way = False
    made.web_ui.app.view_functions["locust.request_stats"].clear_cache()
    assert made.client.get("/stats/requests").json["state"] == "stopped"


def test_the_next_run_begins_without_the_numbers_of_the_one_before(site: Site) -> None:
    made = site(a_run(under_way=False))
    made.runner.stats.log_request("TURN", "utterance", 700, 0)
    assert [entry["name"] for entry in made.client.get("/stats/requests").json["stats"]] == ["utterance", "Aggregated"]
    made.runner.stats.clear_all()
    made.environment.events.test_start.fire(environment=made.environment)
    made.live.under_way = True
    assert [entry["name"] for entry in made.client.get("/stats/requests").json["stats"]] == ["Aggregated"]


HERE = {"Origin": "http://localhost", "Content-Type": "application/json"}


class Done:
    """A hand that notes what it is asked for, and refuses what is not to be."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    def __call__(self, asked: Mapping[str, Any]) -> None:
        if asked.get("do") == "burn":
            raise ValueError("do: there is no burn")
        self.asked.append(asked)


def test_the_form_does_what_it_is_asked(site: Site) -> None:
    done = Done()
    made = site(a_run(), hand=done)
    assert made.client.post("/voice/chaos", json={"do": "drop", "share": 0.5}, headers=HERE).status_code == 204
    assert done.asked == [{"do": "drop", "share": 0.5}]
    refused = made.client.post("/voice/chaos", json={"do": "burn"}, headers=HERE)
    assert (refused.status_code, refused.get_data(as_text=True)) == (400, "do: there is no burn\n")
    for body in ("", "[]", "{", "7"):
        assert made.client.post("/voice/chaos", data=body, headers=HERE).status_code == 400
    assert made.client.get("/voice/chaos").status_code == 405
    assert len(done.asked) == 1


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example", "http://localhost:1", "http://localhost.elsewhere.example"])
def test_pages_of_other_sites_may_not_use_it(site: Site, origin: str | None) -> None:
    """Locust lets scripts of all sites call its web UI; this is no way around."""
    done = Done()
    headers = {} if origin is None else {"Origin": origin}
    reply = site(a_run(), hand=done).client.post("/voice/chaos", json={"do": "drop"}, headers=headers)
    assert (reply.status_code, reply.mimetype) == (403, "text/plain")
    assert done.asked == []


def test_without_a_login_nothing_can_be_broken(site: Site) -> None:
    done = Done()
    made = site(a_run(), login=True, hand=done)
    assert made.client.post("/voice/chaos", json={"do": "drop"}, headers=HERE).status_code == 302
    assert done.asked == []
    made.log_in()
    assert made.client.post("/voice/chaos", json={"do": "drop"}, headers=HERE).status_code == 204
    assert len(done.asked) == 1


def test_a_page_that_nobody_listens_to_breaks_nothing(site: Site) -> None:
    assert site(a_run()).client.post("/voice/chaos", json={"do": "drop"}, headers=HERE).status_code == 400


def test_the_state_tells_faults_and_the_commands_that_may_be_run(site: Site) -> None:
    faults = [
        FaultRecord(fault="0.0", what="stall", by="scenario", t_s=3.2, for_s=2.0, share=0.25, hit=5, present=20),
        FaultRecord(fault="hand.0", what="command", by="hand", t_s=9.0, for_s=0.12, detail="docker: exit code 0"),
    ]
    chaos = [{"do": "drop", "run": None}, {"do": "command", "run": ["docker", "kill", "x"]}]
    facts = replace(FACTS, scenario={**FACTS.scenario, "chaos": chaos}, options={**FACTS.options, "chaos_commands": True})
    told = site(a_run(of_faults=faults, facts=facts)).client.get("/voice/data").json["chaos"]
    assert told == {
        "faults": [
            {"fault": "0.0", "t_s": 3.2, "what": "stall", "for": "2.0 s", "by": "scenario", "share": "25 %", "hit": "5 of 20"},
            {"fault": "hand.0", "t_s": 9.0, "what": "command docker: exit code 0", "for": "0.1 s", "by": "hand", "share": "-", "hit": "-"},
        ],
        "commands": [{"number": 1, "text": "docker kill x"}],
    }
    unsaid = replace(facts, options=FACTS.options)
    assert site(a_run(facts=unsaid)).client.get("/voice/data").json["chaos"] == {"faults": [], "commands": []}


def test_the_report_is_served_once_the_run_is_over_and_it_is_written(site: Site, tmp_path: Path) -> None:
    live = a_run()
    made = site(live, runs=tmp_path)

    def linked() -> bool:
        found: bool = made.client.get("/voice/data").json["run"]["report"]
        return found

    page = tmp_path / live.run_id / "report.html"
    page.parent.mkdir()
    page.write_text("<h1>it</h1>")
    live.under_way = True
    assert (linked(), made.client.get("/voice/report.html").status_code) == (False, 404)
    live.under_way = False
    told = made.client.get("/voice/report.html")
    assert linked()
    assert told.get_data(as_text=True) == "<h1>it</h1>"
    assert "default-src 'none'" in told.headers["Content-Security-Policy"]
    assert "sandbox" in told.headers["Content-Security-Policy"]
    page.unlink()
    assert (linked(), made.client.get("/voice/report.html").status_code) == (False, 404)


def test_the_report_asks_for_a_login_where_locust_does(site: Site, tmp_path: Path) -> None:
    live = a_run()
    live.under_way = False
    (tmp_path / live.run_id).mkdir()
    (tmp_path / live.run_id / "report.html").write_text("x")
    made = site(live, login=True, runs=tmp_path)
    assert made.client.get("/voice/report.html").status_code == 302
    made.log_in()
    assert made.client.get("/voice/report.html").status_code == 200
