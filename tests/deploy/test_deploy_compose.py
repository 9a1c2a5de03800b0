"""docker-compose.yml: its schema, what Compose makes of it, and the rules that each service keeps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_files import COMPOSE, IMAGE, ROOT, compose, seconds, services

CHECK_SCHEMA = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
OWN = {"master", "worker", "assistant"}
REACHES = {
    "master": {"worker", "traefik", "prometheus"},
    "worker": {"master", "traefik", "prometheus"},
    "assistant": {"traefik", "prometheus"},
    "traefik": {"master", "worker", "assistant", "prometheus"},
    "prometheus": {"master", "worker", "assistant", "traefik", "alertmanager", "grafana", "node-exporter"},
    "alertmanager": {"prometheus", "grafana", "node-exporter"},
    "grafana": {"prometheus", "alertmanager", "node-exporter"},
    "node-exporter": {"prometheus", "alertmanager", "grafana"},
}
"""Who shares a network with whom."""
NOTHING = ROOT / "deploy" / "no-secret"
PUBLISHED = {"master": 8089, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}

needs_compose = pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
each_service = pytest.mark.parametrize("name", sorted(REACHES))


def config(**variables: str) -> subprocess.CompletedProcess[str]:
    """What docker-compose makes of the file, with these variables and no others of ours."""
    kept = {name: value for name, value in os.environ.items() if not re.match("LOCUST_|DOUBLETALK_|GRAFANA_|OPENAI_|ALERTMANAGER_", name)}
    command = ["docker-compose", "--file", str(COMPOSE), "--env-file", str(NOTHING), "config"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=kept | variables, timeout=60)


def test_the_file_keeps_to_the_compose_specification(tmp_path: Path) -> None:
    done = subprocess.run([*CHECK_SCHEMA, str(COMPOSE)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("stop_grace_period", "stop_grace"), encoding="utf-8")
    assert subprocess.run([*CHECK_SCHEMA, str(wrong)], capture_output=True, timeout=60).returncode == 1


@needs_compose
def test_compose_reads_it_as_meant() -> None:
    done = config(GRAFANA_ADMIN_PASSWORD_FILE="/somewhere/password", LOCUST_HEADLESS="true")
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == set(REACHES)
    master = read["services"]["master"]
    assert (master["read_only"], master["cap_drop"], master["restart"]) == (True, ["ALL"], "no")
    set_there = {name: value for name, value in master["environment"].items() if value is not None}
    assert set_there == {
        "LOCUST_HOST": "http://traefik:8000",
        "LOCUST_HEADLESS": "true",
        "OPENAI_API_KEY_FILE": "/run/secrets/openai_api_key",
    }
    assert read["secrets"]["grafana_admin_password"]["file"] == "/somewhere/password"
    assert read["secrets"]["openai_api_key"]["file"] == str(NOTHING)


@needs_compose
@pytest.mark.parametrize("given", [{}, {"GRAFANA_ADMIN_PASSWORD_FILE": ""}])
def test_no_password_for_grafana_is_refused_in_one_line(given: dict[str, str]) -> None:
    done = config(**given)
    assert done.returncode != 0
    assert "GRAFANA_ADMIN_PASSWORD_FILE" in done.stderr
    assert "set it to a file with the admin password" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("content", "code"), [("", 2), ("a password\n", 0)])
def test_an_empty_password_file_does_not_start_grafana_with_its_default(tmp_path: Path, content: str, code: int) -> None:
    password, start = tmp_path / "password", tmp_path / "run.sh"
    password.write_text(content, encoding="utf-8")
    start.write_text("#!/bin/sh\necho started\n", encoding="utf-8")
    start.chmod(0o755)
    shell, option, script = services()["grafana"]["entrypoint"]
    script = script.replace("/run/secrets/grafana_admin_password", str(password)).replace("/run.sh", str(start))
    done = subprocess.run([shell, option, script], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (code, "" if code else "started\n")
    assert len(done.stderr.splitlines()) == (1 if code else 0)


def test_the_services_are_those_that_the_rules_are_about() -> None:
    assert set(services()) == set(REACHES)


@each_service
def test_the_image_is_pinned_to_a_full_version(name: str) -> None:
    image = services()[name]["image"]
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", image), image
    assert (image == IMAGE) == (services()[name].get("build") == ".") == (name in OWN)


@each_service
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] == 256
    assert int(service["user"].split(":")[0]) > 0
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])


@each_service
def test_a_service_is_checked_and_has_time_to_end(name: str) -> None:
    service = services()[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert 0 < seconds(check["timeout"]) <= seconds(check["interval"]) <= 30
    assert seconds(service["stop_grace_period"]) >= 10


@each_service
def test_only_pages_are_published_and_only_to_this_machine(name: str) -> None:
    port = PUBLISHED.get(name)
    assert services()[name].get("ports", []) == ([f"127.0.0.1:{port}:{port}"] if port else [])


@each_service
def test_a_service_reaches_those_that_it_must(name: str) -> None:
    mine = set(services()[name]["networks"])
    assert {other for other in services() if other != name and mine & set(services()[other]["networks"])} == REACHES[name]


def test_each_way_out_is_one_services_own() -> None:
    # Else two services would meet there besides, and Docker's name server could answer with that network's address.
    networks = compose()["networks"]
    out = {name for name, network in networks.items() if not network.get("internal")}
    assert out == {f"{name}-outside" for name in (*PUBLISHED, "worker")}
    for network in out:
        assert [name for name in services() if network in services()[name]["networks"]] == [network.removesuffix("-outside")]
    assert {n for s in services().values() for n in s["networks"]} == set(networks)


def mounts(service: dict[str, Any]) -> list[list[str]]:
    return [mount.split(":") for mount in service.get("volumes", [])]


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    for source, target, *mode in mounts(services()[name]):
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).is_dir(), source
            assert mode == ["ro"]
        elif source.startswith("/"):
            assert (name, mode) == ("node-exporter", ["ro,rslave"])
        else:
            assert source in compose()["volumes"]
            assert mode == []


def test_what_lasts_is_on_volumes() -> None:
    assert ["runs", "/doubletalk/runs"] in mounts(services()["master"])
    for name, option in (("prometheus", "--storage.tsdb.path="), ("alertmanager", "--storage.path=")):
        (path,) = (a.removeprefix(option) for a in services()[name]["command"] if a.startswith(option))
        assert [name, path] in mounts(services()[name])
    assert {source for s in services().values() for source, *_ in mounts(s) if source[0].isalpha()} == set(compose()["volumes"])


def test_secrets_come_from_files_and_only_to_those_that_use_them() -> None:
    users = {secret: {n for n, s in services().items() if secret in s.get("secrets", [])} for secret in compose()["secrets"]}
    assert users == {
        "openai_api_key": {"master", "worker"},
        "grafana_admin_password": {"grafana"},
        "alertmanager_slack_url": {"alertmanager"},
        "alertmanager_pagerduty_key": {"alertmanager"},
        "alertmanager_webhook_token": {"alertmanager"},
    }
    assert all(set(secret) == {"file"} for secret in compose()["secrets"].values())
    assert NOTHING.read_bytes() == b""
    named = {n for s in services().values() for n in s.get("environment", {}) if re.search("KEY|PASSWORD|TOKEN$|SECRET", n)}
    assert named == {"OPENAI_API_KEY_FILE", "GF_SECURITY_ADMIN_PASSWORD__FILE"}
