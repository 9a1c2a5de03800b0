"""The services that Debian has, started with the very arguments and files that the compose file gives them, and looked at by its checks."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
import yaml
from deploy_files import ROOT, services

PATIENCE_S = 60
T = TypeVar("T")
MONITORING = ROOT / "monitoring"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"the system package {package} is not installed")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until(look: Callable[[], T | None], what: str) -> T:
    """What `look` gives once it gives something; errors of a server that is not there yet count as nothing."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if (seen := look()) is not None:
                return seen
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


def memory_bytes() -> int:
    """This machine's memory, as its kernel tells it."""
    (total,) = re.findall(r"^MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    return 1024 * int(total)


@contextmanager
def started(program: str, name: str, moved: dict[str, str], log: Path) -> Iterator[str]:
    """A service of the compose file on a port of loopback, with paths of its container `moved` to paths here; gives its address.

    It counts as started once what its health check asks for answers.
    """
    port = free_port()
    arguments = list(services()[name]["command"])
    for inside, here in moved.items():
        arguments = [re.sub(rf"(?<==){inside}(?=/|$)", here, argument) for argument in arguments]
    checked = urllib.parse.urlsplit(services()[name]["healthcheck"]["test"][-1]).path
    with log.open("wb") as file:
        process = subprocess.Popen([program, *arguments, f"--web.listen-address=127.0.0.1:{port}"], stdout=file, stderr=file)
    try:

        def answers() -> str | None:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            get(f"http://127.0.0.1:{port}{checked}")
            return f"http://127.0.0.1:{port}"

        yield until(answers, f"{program} answers {checked}")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """node-exporter over this machine: the container sees its root under /host."""
    log = tmp_path_factory.mktemp("node") / "log"
    with started("prometheus-node-exporter", "node-exporter", {"/host/proc": "/proc", "/host/sys": "/sys", "/host": "/"}, log) as url:
        yield url


@needs("prometheus-node-exporter", "prometheus-node-exporter")
def test_node_exporter_tells_of_the_machine_and_not_of_its_containers_network(node: str) -> None:
    samples = dict(re.findall(r"^(\S+) (\S+)$", get(f"{node}/metrics"), re.MULTILINE))
    assert float(samples["node_memory_MemTotal_bytes"]) == memory_bytes()
    assert float(samples['node_cpu_seconds_total{cpu="0",mode="user"}']) > 0
    assert [name for name in samples if name.startswith("node_filesystem_avail_bytes")]
    assert not [name for name in samples if name.startswith(("node_network_", "node_netstat_", "node_sockstat_"))]


@needs("prometheus", "prometheus")
@needs("prometheus-node-exporter", "prometheus-node-exporter")
def test_prometheus_runs_with_the_clusters_configuration_and_scrapes_the_machine(node: str, tmp_path: Path) -> None:
    shutil.copytree(MONITORING / "prometheus", tmp_path / "etc")
    target = "node-exporter:9100"
    text = (tmp_path / "etc" / "prometheus.yml").read_text(encoding="utf-8")
    assert text.count(target) == 1
    text = text.replace(target, node.removeprefix("http://")).replace("scrape_interval: 15s", "scrape_interval: 1s")
    (tmp_path / "etc" / "prometheus.yml").write_text(text, encoding="utf-8")
    moved = {"/etc/prometheus": str(tmp_path / "etc"), "/prometheus": str(tmp_path / "data")}
    with started("prometheus", "prometheus", moved, tmp_path / "log") as url:
        flags = orjson.loads(get(f"{url}/api/v1/status/flags"))["data"]
        assert (flags["storage.tsdb.retention.time"], flags["storage.tsdb.retention.size"]) == ("30d", "5GiB")
        assert flags["web.enable-lifecycle"] == flags["web.enable-admin-api"] == "false"

        def value(expression: str) -> float | None:
            answer = orjson.loads(get(f"{url}/api/v1/query?query={urllib.parse.quote(expression)}"))
            found = answer["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        assert until(lambda: value('up{job="node"} == 1'), "node-exporter is up") == 1
        assert until(lambda: value("node_memory_MemTotal_bytes"), "memory is known") == memory_bytes()


def test_what_prometheus_scrapes_are_services_that_it_reaches() -> None:
    jobs = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    static = [target for job in jobs for targets in job.get("static_configs", []) for target in targets["targets"]]
    found = {target.split(":")[0] for target in static} | {
        name for job in jobs for sd in job.get("dns_sd_configs", []) for name in sd["names"]
    }
    assert found == {"localhost", "alertmanager", "assistant", "master", "node-exporter", "traefik", "worker"}
    mine = set(services()["prometheus"]["networks"])
    assert all(mine & set(services()[name]["networks"]) for name in found - {"localhost"})


@needs("prometheus-alertmanager", "prometheus-alertmanager")
def test_alertmanager_starts_without_secrets_and_without_a_cluster(tmp_path: Path) -> None:
    moved = {"/etc/alertmanager": str(MONITORING / "alertmanager"), "/alertmanager": str(tmp_path)}
    with started("prometheus-alertmanager", "alertmanager", moved, tmp_path / "log") as url:
        assert orjson.loads(get(f"{url}/api/v2/status"))["cluster"]["status"] == "disabled"
