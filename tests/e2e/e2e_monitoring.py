"""Prometheus, Alertmanager and node-exporter as Debian has them, on loopback, by copies of the committed configuration: only addresses,
intervals and the time that an alert must last are changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml
from e2e_prometheus import HOST, Prometheus, free_port
from harness import ROOT

MONITORING = ROOT / "monitoring"
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
TOKEN = "a token that only the webhook knows"
LIMIT_S = 90.0
NOBODY = f"{HOST}:9"
"""Where nothing is served: Traefik is not to be had here."""


def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """What `condition` gives once it is true; it may raise OSError before."""
    end = time.monotonic() + limit_s
    while True:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, what
        time.sleep(0.2)


@dataclass
class Webhook:
    """What Alertmanager sent: the body of each notification, and what it said of who it is."""

    notifications: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)

    def alerts(self, name: str) -> list[dict[str, Any]]:
        return [a for told in list(self.notifications) for a in told["alerts"] if a["labels"]["alertname"] == name]


@dataclass
class Stack:
    """What runs, and where; `runner` and `assistant` are the ports at which a run's exporter and its assistant are to be, `logs` is the
    folder with the log of each program."""

    prometheus: Prometheus
    alertmanager: str
    webhook: Webhook
    runner: int
    assistant: int
    logs: Path

    def alerts(self) -> list[dict[str, Any]]:
        """All that Alertmanager holds, those that are not told because of another included."""
        with urlopen(f"{self.alertmanager}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextmanager
def stack(tmp: Path) -> Iterator[Stack]:
    """Starts all of it, and ends it."""
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "node", "doubletalk", "assistant")}
    with ExitStack() as stops:
        webhook, url = _listen(stops)
        made = Stack(
            Prometheus(ports["prometheus"]), f"http://{HOST}:{ports['alertmanager']}", webhook, ports["doubletalk"], ports["assistant"], tmp
        )
        at = {name: f"{HOST}:{port}" for name, port in ports.items()}
        prometheus, alertmanager = _configure(tmp, at, url)
        _start(stops, tmp, "prometheus-node-exporter", f"--web.listen-address={at['node']}")
        _start(stops, tmp, "prometheus-alertmanager", f"--config.file={alertmanager}", f"--storage.path={tmp / 'alertmanager'}",
               f"--web.listen-address={at['alertmanager']}", "--cluster.listen-address=")  # fmt: skip
        _start(stops, tmp, "prometheus", f"--config.file={prometheus}", f"--storage.tsdb.path={tmp / 'tsdb'}",
               f"--web.listen-address={at['prometheus']}")  # fmt: skip
        until(made.prometheus.ready, "Prometheus is not ready")
        until(lambda: urlopen(f"{made.alertmanager}/-/ready", timeout=5).status == 200, "Alertmanager is not ready")
        yield made


def _configure(tmp: Path, at: dict[str, str], webhook: str) -> tuple[Path, Path]:
    """Copies of the configuration with these addresses; Prometheus asks and judges each second."""
    folder = tmp / "prometheus"
    shutil.copytree(MONITORING / "prometheus", folder)
    path = folder / "prometheus.yml"
    config = yaml.safe_load(path.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [at["alertmanager"]]
    for job in config["scrape_configs"]:
        job["scrape_interval"] = "1s"
        if "dns_sd_configs" in job:
            del job["dns_sd_configs"]  # the name of the workers, which only a cluster has
        else:
            job["static_configs"] = [{"targets": [at.get(job["job_name"], NOBODY)]}]
    path.write_text(yaml.safe_dump(config))
    for rules in (folder / "rules").glob("*.yml"):
        told = yaml.safe_load(rules.read_text())
        for rule in (rule for group in told["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "2s"
        rules.write_text(yaml.safe_dump(told))
    told = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text())
    told["route"]["group_wait"] = "1s"
    secret = tmp / "webhook_token"
    secret.write_text(TOKEN)
    hook = next(r for r in told["receivers"] if r["name"] == "webhook")["webhook_configs"][0]
    hook["url"] = webhook
    hook["http_config"]["authorization"]["credentials_file"] = str(secret)
    alertmanager = tmp / "alertmanager.yml"
    alertmanager.write_text(yaml.safe_dump(told))
    return path, alertmanager


def _listen(stops: ExitStack) -> tuple[Webhook, str]:
    heard = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.authorizations.add(self.headers["Authorization"])
            heard.notifications.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stops.callback(server.server_close)
    stops.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return heard, f"http://127.0.0.1:{server.server_address[1]}/alerts"


def _start(stops: ExitStack, tmp: Path, *command: str) -> None:
    log = stops.enter_context((tmp / f"{command[0]}.log").open("w"))
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp)
    stops.callback(process.wait, 30)
    stops.callback(process.terminate)
