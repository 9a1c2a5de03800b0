"""What the tests of containers read: the compose file, the Kubernetes manifests, and both command lines' real parsers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from assistant.__main__ import parser as assistant_parser

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "docker-compose.yml"
KUBERNETES = ROOT / "deploy" / "kubernetes"
OPERATORS = KUBERNETES / "locusttest.yaml"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
IMAGE = f"doubletalk:{VERSION}"
HANDOVER_S = 5
"""For what a run's end takes beside the waits that options set: workers hand over, files are written."""

_PARSE = """
import json, sys
import locustfile
from locust.argument_parser import get_parser
parser = get_parser()
variables = sorted(a.env_var for a in parser._actions if getattr(a, "env_var", None))
parsed = [vars(parser.parse_args(arguments)) for arguments in json.load(sys.stdin)]
json.dump([variables, parsed], sys.stdout, default=str)
"""


@cache
def compose() -> dict[str, Any]:
    """The compose file with its anchors resolved and its variables as they stand."""
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def services() -> dict[str, Any]:
    return compose()["services"]


def variables_of(service: str) -> dict[str, str | None]:
    """The environment of a service: None where it is taken from the shell."""
    return services()[service].get("environment", {})


def seconds(text: str) -> int:
    """Seconds of a compose duration such as 90s or 1m30s."""
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert found and text, text
    return 60 * int(found[1] or 0) + int(found[2] or 0)


@cache
def manifests() -> dict[tuple[str, str], Any]:
    """Every manifest that kustomization.yaml lists, by kind and name."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    found = [d for name in listed for d in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))]
    return {(d["kind"], d["metadata"]["name"]): d for d in found}


def pods() -> dict[str, Any]:
    """The pod of each Deployment, by name."""
    return {name: d["spec"]["template"] for (kind, name), d in manifests().items() if kind == "Deployment"}


def container(pod: Any) -> Any:
    (only,) = pod["spec"]["containers"]
    return only


@cache
def locusttest() -> Any:
    return yaml.safe_load(OPERATORS.read_text(encoding="utf-8"))


@cache
def locust_commands() -> dict[str, list[str]]:
    """Arguments of every `locust` that is started, by place. The operator puts its own before those of its args."""
    given = shlex.split(locusttest()["spec"]["args"])
    return {
        "compose master": services()["master"]["command"],
        "compose worker": services()["worker"]["command"],
        "kubernetes master": container(pods()["master"])["args"],
        "kubernetes worker": container(pods()["worker"])["args"],
        "operator master": ["--master", *given],
        "operator worker": ["--worker", "--master-host", "doubletalk-master", *given],
    }


def assistant_commands() -> dict[str, list[str]]:
    """Likewise of every `python -m assistant`."""
    return {"compose assistant": services()["assistant"]["command"], "kubernetes assistant": container(pods()["assistant"])["args"]}


@cache
def parsed_commands() -> tuple[set[str], dict[str, dict[str, Any]]]:
    """Every variable that Locust and Doubletalk read, and each locust command as parsed, locust.conf included, as in the image."""
    commands = locust_commands()
    done = subprocess.run(
        [sys.executable, "-c", _PARSE], input=json.dumps([*commands.values()]), capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    variables, parsed = json.loads(done.stdout)
    return set(variables), dict(zip(commands, parsed, strict=True))


@cache
def parsed_assistants() -> dict[str, dict[str, Any]]:
    return {place: vars(assistant_parser().parse_args(arguments)) for place, arguments in assistant_commands().items()}
