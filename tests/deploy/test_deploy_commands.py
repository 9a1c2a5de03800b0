"""Every command line of compose file and manifests, as the real parsers take it: options that exist, ports that meet, time to end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from deploy_files import (
    HANDOVER_S,
    ROOT,
    assistant_commands,
    container,
    locust_commands,
    locusttest,
    manifests,
    parsed_assistants,
    parsed_commands,
    pods,
    seconds,
    services,
    variables_of,
)

GRACE_OF_PODS_S = 30
"""Kubernetes' own, where the pod does not say: the operator's do not."""

each_locust = pytest.mark.parametrize("place", sorted(locust_commands()))


def grace_s(place: str) -> int:
    where, name = place.split()
    if where == "compose":
        return seconds(services()[name]["stop_grace_period"])
    return pods()[name]["spec"]["terminationGracePeriodSeconds"] if where == "kubernetes" else GRACE_OF_PODS_S


@each_locust
def test_a_locust_is_what_its_name_says(place: str) -> None:
    parsed = parsed_commands()[1][place]
    name = place.split()[1]
    assert (parsed["master"], parsed["worker"]) == (name == "master", name == "worker")
    assert parsed["locustfile"] == "locustfile.py"
    if place.startswith("operator"):
        assert parsed["headless"]
        assert parsed["expect_workers"] == locusttest()["spec"]["workers"]
    elif name == "master":
        assert parsed["web_host"] == "0.0.0.0"
        assert parsed["runs"] == "/doubletalk/runs"


@each_locust
def test_prometheus_finds_the_exporter(place: str) -> None:
    parsed = parsed_commands()[1][place]
    assert (parsed["prometheus_host"], parsed["prometheus_port"]) == ("0.0.0.0", 9646)


@each_locust
def test_a_process_is_not_killed_before_it_has_ended(place: str) -> None:
    parsed = parsed_commands()[1][place]
    assert float(parsed["stop_timeout"]) > 0
    assert grace_s(place) >= float(parsed["stop_timeout"]) + parsed["prometheus_linger"] + HANDOVER_S


@pytest.mark.parametrize("place", sorted(assistant_commands()))
def test_the_assistant_is_reached_from_outside_its_container(place: str) -> None:
    parsed = parsed_assistants()[place]
    assert (parsed["host"], parsed["port"], parsed["profile"]) == ("0.0.0.0", 8000, "demo")


def test_workers_find_the_master() -> None:
    parsed = parsed_commands()[1]
    assert parsed["compose worker"]["master_host"] in services()
    service = manifests()["Service", parsed["kubernetes worker"]["master_host"]]
    assert parsed["kubernetes worker"]["master_port"] in {port["port"] for port in service["spec"]["ports"]}


def test_every_variable_is_one_that_locust_reads() -> None:
    known = parsed_commands()[0]
    assert {"LOCUST_HOST", "DOUBLETALK_SCENARIO"} <= known
    told = {n for name in ("master", "worker") for n in variables_of(name)} | set(manifests()["ConfigMap", "doubletalk-settings"]["data"])
    told |= {variable["name"] for variable in locusttest()["spec"]["env"]}
    assert told - {"OPENAI_API_KEY_FILE"} <= known


def test_no_service_of_the_operator_is_taken_for_an_option() -> None:
    # Kubernetes tells a pod of each Service by variables; our own pods do without (enableServiceLinks).
    links = [f"{locusttest()['metadata']['name']}_{service}".upper() for service in ("master", "webui")]
    assert not [name for name in parsed_commands()[0] for link in links if name.startswith((f"{link}_PORT", f"{link}_SERVICE"))]
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods().values())


def test_talkers_call_the_assistant_by_a_name_that_is_there() -> None:
    host = urlsplit(variables_of("master")["LOCUST_HOST"].removeprefix("${LOCUST_HOST:-").removesuffix("}"))
    assert (host.hostname, host.port) == ("traefik", 8000)
    host = urlsplit(manifests()["ConfigMap", "doubletalk-settings"]["data"]["LOCUST_HOST"])
    service = manifests()["Service", host.hostname]
    assert host.port in {port["port"] for port in service["spec"]["ports"]}
    (variable,) = locusttest()["spec"]["env"]
    assert variable["value"] == f"http://assistant.{manifests()['Namespace', 'doubletalk']['metadata']['name']}:8000"


def test_traefik_listens_where_it_is_asked_and_leads_to_the_assistant() -> None:
    static, routes = (
        yaml.safe_load((ROOT / "deploy" / "traefik" / name).read_text(encoding="utf-8")) for name in ("traefik.yml", "routes.yml")
    )
    ports = {name: point["address"] for name, point in static["entryPoints"].items()}
    assert ports == {"calls": ":8000", "internal": ":8082"}
    assert static["ping"]["entryPoint"] == static["metrics"]["prometheus"]["entryPoint"] == "internal"
    assert static["providers"] == {"file": {"filename": "/etc/traefik/routes.yml", "watch": False}}
    assert services()["traefik"]["volumes"] == ["./deploy/traefik:/etc/traefik:ro"]
    (router,) = routes["http"]["routers"].values()
    assert router["entryPoints"] == ["calls"]
    balancer = routes["http"]["services"][router["service"]]["loadBalancer"]
    assert balancer["servers"] == [{"url": f"http://assistant:{parsed_assistants()['compose assistant']['port']}"}]
    assert balancer["healthCheck"]["path"] == services()["assistant"]["healthcheck"]["test"][-1]


def checked(place: str) -> list[list[str]]:
    """The commands that look whether the container of a place is well."""
    where, name = place.split()
    if where == "compose":
        return [services()[name]["healthcheck"]["test"][1:]]
    probes: list[Any] = [container(pods()[name])[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    return [probe["exec"]["command"] for probe in probes]


@pytest.mark.parametrize("place", [p for p in sorted(locust_commands()) if not p.startswith("operator")])
def test_health_is_asked_where_the_exporter_answers(place: str) -> None:
    port = str(parsed_commands()[1][place]["prometheus_port"])
    assert all(command == ["healthy", "OPTIONS", port, "/metrics"] for command in checked(place))


def test_health_is_asked_where_the_assistant_answers() -> None:
    assert services()["assistant"]["healthcheck"]["test"][1:] == ["healthy", "GET", "8000", "/health/live"]
