"""A real Prometheus that scrapes what it is told to, every second."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """Asks one for what it has stored."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def query(self, expression: str, at_s: float | None = None) -> list[dict[str, Any]]:
        """The vector or matrix that an expression gives, now or at an instant. Raises ValueError for one that Prometheus refuses."""
        asked = {"query": expression} | ({} if at_s is None else {"time": f"{at_s:.3f}"})
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query?{urllib.parse.urlencode(asked)}", timeout=30) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"{expression}: {error.read().decode()}") from None
        found: list[dict[str, Any]] = told["data"]["result"]
        return found


@contextmanager
def prometheus(folder: Path, targets: dict[str, int]) -> Iterator[Prometheus]:
    """One that scrapes the ports of `targets` under the names of their jobs; it keeps its data in `folder`."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}"]}]} for job, port in targets.items()]
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}))
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", "--log.level=error"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={HOST}:{port}"], stdout=log, stderr=subprocess.STDOUT)
    try:
        peer, until_s = Prometheus(port), time.monotonic() + 60
        while not peer.ready():
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            assert time.monotonic() < until_s, "Prometheus did not become ready"
            time.sleep(0.1)
        yield peer
    finally:
        process.terminate()
        process.wait(timeout=60)
