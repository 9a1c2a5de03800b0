"""The tab "Voice" in Locust's web UI, and the live page beside it at `voice/`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent
from flask import Blueprint, Response, request

from metrics import table
from metrics.aggregate import Aggregate
from reporting.assets import Assets, load_assets
from reporting.screen import Screen

KEY = "voice"
"""The tab's key in Locust's page, and the folder of the live page below it."""

_COLUMNS = {"title": "Metric", "n": "n", "first": "Mean or share", "p50": "p50", "p95": "p95", "p99": "p99", "max": "Max",
            "targets": "Target", "verdict": "Verdict"}  # fmt: skip
_TOGETHER = "\N{NO-BREAK SPACE}"
_CSV = ("run", "valid", "metric", "title", "table", "unit", "count", "mean", "value", "low", "high", *table.QUANTILES, "targets", "verdict")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: nothing from another host, nothing inline."""
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'none'; sandbox allow-scripts"
)
"""That of a report, which is one file with all in it: it can ask nobody for anything, this server included."""


Hand = Callable[[Mapping[str, Any]], None]
"""Does to the run under way what somebody asks for on the page. Raises ValueError with one line where that cannot be."""


def add_voice(environment: Any, web_ui: Any, screen: Screen, hand: Hand | None = None) -> None:
    """Add the tab and the page to Locust's web UI, before it serves. `hand`: what the form of the page does; None: nothing."""
    assets = load_assets()
    web_ui.template_args.update(
        extended_tabs=[{"title": "Voice", "key": KEY}],
        extended_tables=[{"key": KEY, "structure": [{"key": key, "title": title} for key, title in _COLUMNS.items()]}],
        extended_csv_files=[
            {"href": f"./{KEY}/", "title": "Voice: live page with charts"},
            {"href": f"./{KEY}/metrics.csv", "title": "Download voice metrics CSV"},
        ],
    )
    web_ui.app.after_request(lambda response: _with_tab(response, screen, assets))
    place = f"{environment.parsed_options.web_base_path or ''}/{KEY}"
    web_ui.app.register_blueprint(_pages(web_ui, screen, assets, hand), url_prefix=place)


def tab_rows(screen: Screen) -> list[dict[str, Any]]:
    """The tab's rows: every metric, and above them why the run is invalid so far, if it is. Locust's page sorts them by `name`."""
    measured = screen.measured(screen.shown())
    faults = measured["tester"]["faults"] if "tester" in measured else []
    rows = [{**dict.fromkeys(_COLUMNS, ""), "title": f"INVALID: {fault}"} for fault in faults]
    rows += [{key: metric[key] for key in _COLUMNS} for metric in measured["metrics"]]
    for row in rows:
        row.update({which: row[which].replace(" ", _TOGETHER) for which in ("first", *table.QUANTILES)})
    return [{"name": f"{number:03d}", **row} for number, row in enumerate(rows)]


def metrics_csv(screen: Screen) -> str:
    """The catalogue as measured, in the metrics' own units; an empty cell where there is no value."""
    live = screen.shown()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_CSV)
    run, valid = (live.run_id, "yes" if not live.faults() else "no") if live else ("", "")
    for row in table.rows(live.aggregate if live else Aggregate()):
        metric = row.metric
        values = [row.values.get(which) for which in ("mean", "value", "low", "high", *table.QUANTILES)]
        writer.writerow([run, valid, metric.name, metric.title, metric.table, metric.unit, row.count, *values, row.targets, row.verdict])
    return text.getvalue()


def _with_tab(response: Response, screen: Screen, assets: Assets) -> Response:
    """Add the tab's rows to what Locust's page asks for, and to the page itself the script that links the live page in the tab."""
    if request.endpoint == "locust.request_stats" and response.is_json:
        told = response.get_json()
        response.set_data(json.dumps({**told, "extended_stats": [{"key": KEY, "data": tab_rows(screen)}]}))
    elif request.endpoint == "locust.index" and response.mimetype == "text/html":
        script = f'<script src="./{KEY}/assets/{assets.digest}/tab.js" defer></script>'
        before, body, after = response.get_data(as_text=True).rpartition("</body>")
        if body:
            response.set_data(f"{before}{script}\n  {body}{after}")
    return response


def _pages(web_ui: Any, screen: Screen, assets: Assets, hand: Hand | None) -> Blueprint:
    pages = Blueprint(KEY, __name__)
    guarded = web_ui.auth_required_if_enabled

    def page() -> Response:
        return Response(assets.html, mimetype="text/html", headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    def asset(digest: str, name: str) -> Response:
        found = assets.files.get(name)
        if found is None or digest != assets.digest:
            return Response("no such file: load the page anew\n", 404, mimetype="text/plain")
        headers = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if request.accept_encodings["gzip"] > 0:
            return Response(found.packed, headers={**headers, "Content-Encoding": "gzip"}, content_type=f"{found.type}; charset=utf-8")
        return Response(found.content, headers=headers, content_type=f"{found.type}; charset=utf-8")

    def data() -> Response:
        try:
            step, since = (_whole(name) for name in ("step", "since"))
        except ValueError as error:
            return Response(f"{error}\n", 400, mimetype="text/plain")
        state = screen.state(request.args.get("run", ""), step, since, lambda: gevent.sleep(0))
        return Response(json.dumps(state, separators=(",", ":")), headers={"Cache-Control": "no-store"}, mimetype="application/json")

    def as_csv() -> Response:
        live = screen.shown()
        name = f"{live.run_id}-metrics.csv" if live else "metrics.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(metrics_csv(screen), headers=headers, content_type="text/csv; charset=utf-8")

    def report() -> Response:
        page = screen.report()
        if page is None:
            return Response("the run has no report yet\n", 404, mimetype="text/plain")
        headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-store"}
        return Response(page.read_text(encoding="utf-8"), headers=headers, mimetype="text/html")

    def chaos() -> Response:
        if not same_origin(request.headers.get("Origin"), request.host):
            return Response("refused: this is for the live page itself, not for pages of other sites\n", 403, mimetype="text/plain")
        asked = request.get_json(silent=True)
        try:
            if hand is None or not isinstance(asked, dict):
                raise ValueError("not a request of the live page: load it anew")
            hand(asked)
        except ValueError as error:
            return Response(f"{error}\n", 400, mimetype="text/plain")
        return Response(status=204)

    pages.add_url_rule("/", "page", guarded(page))
    pages.add_url_rule("/chaos", "chaos", guarded(chaos), methods=["POST"])
    pages.add_url_rule("/data", "data", guarded(data))
    pages.add_url_rule("/report.html", "report", guarded(report))
    pages.add_url_rule("/metrics.csv", "metrics_csv", guarded(as_csv))
    pages.add_url_rule("/assets/<digest>/<name>", "asset", guarded(asset))
    pages.after_request(_closed)
    return pages


def same_origin(origin: str | None, host: str) -> bool:
    """Whether a request comes from a page of this server at `host`. Browsers tell the origin of each POST, and no page can forge it
    (Fetch standard, section 3.1); a request without one is none of a page's."""
    return origin is not None and urlsplit(origin).netloc == host


def _whole(name: str) -> int:
    """The whole number in the request's parameter, 0 where it has none. Raises ValueError."""
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name}: {text[:40]!r} is no whole number from 0 on")
    return int(text)


def _closed(response: Response) -> Response:
    """Other sites may not read it (Locust would let all of them), nor may a browser guess at its type."""
    response.headers["Access-Control-Allow-Origin"] = request.host_url.rstrip("/")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
