"""The image: its recipe by hadolint, and its steps done in a scratch folder, as no container engine is needed for them.

What is not done: installing the compiler and making the user (both change the machine), and installing the dependencies, which are lent
from the environment of the tests.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import prometheus_client
import pytest
from deploy_files import ROOT, services
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

pytestmark = pytest.mark.long

DOCKERFILE = ROOT / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
HEALTHY, WITH_KEY_FILES = (ROOT / "deploy" / "image" / name for name in ("healthy", "with-key-files"))
BUILD = 600
"""Seconds for a step: a machine may be busy."""

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def steps() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, in order, with their values."""
    with DOCKERFILE.open("rb") as file:
        found: list[list[tuple[str, str]]] = []
        for step in DockerfileParser(fileobj=file).structure:
            if step["instruction"] == "FROM":
                found.append([])
            if step["instruction"] != "COMMENT":
                found[-1].append((step["instruction"], step["value"]))
    return found


def context(root: Path) -> set[str]:
    """Files that a COPY finds in a folder with our .dockerignore: Docker itself reads that and the Dockerfile besides."""
    sent = exclude_paths(str(root), [line for line in IGNORED if line and line[0] != "#"])
    return {path for path in sent if (root / path).is_file()} - {"Dockerfile", ".dockerignore"}


def run(*command: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=BUILD, **more)  # type: ignore[call-overload]  # which options, the callers know


@pytest.mark.skipif(platform.machine() != "x86_64", reason="hadolint's package is for x86_64")
def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    done = run(hadolint, str(DOCKERFILE))
    assert (done.returncode, done.stdout) == (0, "")
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("3.11.15-slim-trixie", "latest"), encoding="utf-8")
    assert "DL3007" in run(hadolint, str(wrong)).stdout


def test_the_base_is_pinned_and_the_last_stage_has_no_compiler() -> None:
    base, build, last = steps()
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+ AS base", base[0][1])
    assert (build[0][1], last[0][1]) == ("base AS build", "base")
    assert "gcc" in next(value for _, value in build if "apt-get" in value)
    assert not [value for _, value in (*base, *last) if "apt-get" in value or "gcc" in value or "pip install" in value]


def test_the_image_runs_as_nobody_in_particular_and_starts_locust() -> None:
    last = steps()[-1]
    assert [value for instruction, value in last if instruction == "USER"] == ["10001:10001"]
    assert last[-1] == ("ENTRYPOINT", '["with-key-files", "locust"]')
    assert ("WORKDIR", "/doubletalk") in last
    assert [service["user"] for service in services().values() if service["image"].startswith("doubletalk:")] == ["10001:10001"] * 3


def test_the_builder_gets_what_is_tracked_and_nothing_else(tmp_path: Path) -> None:
    for path in ("secrets/key", ".env", ".git/config", "runs/1/run.json", ".venv/bin/python", "users/_line.so", "users/__pycache__/a.pyc"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("no", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("yes", encoding="utf-8")
    assert context(tmp_path) == {"pyproject.toml"}
    packages = PROJECT["tool"]["setuptools"]["packages"]
    assert {path.split("/")[0] for path in context(ROOT)} == {
        "pyproject.toml", "README.md", "LICENSE", "locustfile.py", "locust.conf", "deploy", *(name.split(".")[0] for name in packages)
    }  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What the steps made: the environment (`/opt/doubletalk`), the working folder (`/doubletalk`), and what a process sees."""

    prefix: Path
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(*command, cwd=self.folder, env=self.environment)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Each RUN of the build stage that does not change the machine, and each COPY of the last, with other folders in place of theirs."""
    scratch = tmp_path_factory.mktemp("image")
    source, prefix, folder = scratch / "src", scratch / "opt", scratch / "doubletalk"
    for path in context(ROOT):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOCUST_", "DOUBLETALK_", "COV_"))}
    path = f"{prefix}/bin:{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = kept | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = 0
    for instruction, value in steps()[1]:
        if instruction != "RUN" or "apt-get" in value:
            continue
        command = value.replace("/opt/doubletalk", str(prefix))
        if "--requirement" in command:
            command = command.partition("&&")[0]
        step = run("sh", "-ec", command, cwd=source, env=environment)
        assert step.returncode == 0, f"{command}\n{step.stdout}\n{step.stderr}"
        done += 1
        if "-m venv" in command:
            purelib = sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)})
            (Path(purelib) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    assert done == 3
    for instruction, value in steps()[2]:
        if instruction == "COPY" and not value.startswith("--from=build"):
            *names, target = value.split()
            where = folder / "bin" if target == "/usr/local/bin/" else folder
            where.mkdir(parents=True, exist_ok=True)
            for name in names:
                chosen = [source / name] if (source / name).is_file() else [*(source / name).iterdir()]
                for file in chosen:
                    shutil.copy(file, where)
    yield Built(prefix, folder, environment)


@needs_cc
def test_the_dependencies_of_the_image_are_the_projects(built: Built) -> None:
    listed = (built.folder.parent / "src" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert listed == PROJECT["project"]["dependencies"]


@needs_cc
def test_every_file_of_the_packages_is_installed(built: Built) -> None:
    (installed,) = built.prefix.glob("lib/python3*/site-packages")
    inside = {path for path in context(ROOT) if path.split("/")[0] in PROJECT["tool"]["setuptools"]["packages"]}
    expected = {path for path in inside if not path.endswith((".c", ".h"))}
    assert {
        "scenarios/demo.yml",
        "assistant/profiles/demo.yml",
        "audio/corpus/answer-kal16-01.flac",
        "reporting/calibration.json",
    } <= expected
    missing = sorted(path for path in expected if not (installed / path).is_file())
    assert not missing
    assert [*installed.glob("users/_line*.so")]


@needs_cc
def test_the_image_knows_its_version(built: Built) -> None:
    done = built.run("with-key-files", "python", "-m", "locust", "--version")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["locust", version("locust")]), done.stderr


@needs_cc
@pytest.mark.parametrize("package", ["assistant", "analysis"])
def test_the_image_has_the_other_programs(built: Built, package: str) -> None:
    done = built.run("python", "-m", package, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m {package}" in done.stdout


@needs_cc
def test_a_run_in_the_image_finds_all_it_needs(built: Built) -> None:
    locust = (
        "with-key-files",
        "python",
        "-m",
        "locust",
        "--headless",
        "--scenario",
        "demo",
        "--users",
        "2",
        "--run-time",
        "2s",
        "--stop-timeout",
        "1",
    )
    done = built.run("python", "-m", "assistant", "--port", "0", "--profile", "demo", "--", *locust)
    assert "assistant listening" in done.stdout, done.stderr
    (folder,) = (built.folder / "runs").iterdir()
    assert (folder / "summary.md").is_file(), done.stderr
    assert "frames are sent by Python" not in done.stderr
    assert done.returncode in (0, 1)  # two seconds are too few for the criteria


@needs_cc
def test_a_wrong_scenario_in_the_image_is_one_line(built: Built) -> None:
    done = built.run("with-key-files", "python", "-m", "locust", "--headless", "--scenario", "nope")
    assert done.returncode == 2
    assert "doubletalk: no scenario 'nope': there are baseline, " in done.stderr


def test_a_key_file_becomes_a_variable(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-of-a-test\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY_FILE": str(key), "OTHER_API_KEY_FILE": os.devnull, "API_FILE": "/nowhere"}
    done = run(str(WITH_KEY_FILES), "env", env=environment)
    told = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert (done.returncode, told["OPENAI_API_KEY"]) == (0, "sk-of-a-test")
    assert "OTHER_API_KEY" not in told


def test_a_key_file_that_is_missing_is_one_line() -> None:
    done = run(str(WITH_KEY_FILES), "env", env={"PATH": os.environ["PATH"], "OPENAI_API_KEY_FILE": "/nowhere"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"doubletalk: OPENAI_API_KEY_FILE: cannot read /nowhere: mount it, readable for user {os.getuid()}\n"


@pytest.fixture(scope="module")
def exporter() -> Iterator[int]:
    """The port of prometheus-client's own server, which answers as the exporter of a run does."""
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", prometheus_client.CollectorRegistry())
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("method", "code"), [("OPTIONS", 0), ("GET", 0), ("DELETE", 1)])
def test_health_is_an_answer_of_200(exporter: int, method: str, code: int) -> None:
    done = run(str(HEALTHY), method, str(exporter), "/metrics")
    assert done.returncode == code
    assert done.stderr == ("" if code == 0 else f"port {exporter} answers HTTP/1.0 405\n")


def test_a_closed_port_is_not_healthy(unused_port: int) -> None:
    done = run(str(HEALTHY), "GET", str(unused_port), "/")
    assert (done.returncode, done.stderr) == (1, f"nothing listens on port {unused_port}\n")


def test_a_process_that_hangs_is_not_healthy(silent_port: int) -> None:
    done = run(str(HEALTHY), "GET", str(silent_port), "/")
    assert (done.returncode, done.stderr) == (1, f"no answer on port {silent_port} within 2 s\n")


def test_health_needs_its_arguments() -> None:
    done = run(str(HEALTHY), "GET")
    assert (done.returncode, done.stderr) == (2, "usage: healthy METHOD PORT PATH\n")
