"""Analysis in an environment with nothing but its own dependencies: no Locust, no gevent, nothing that only a load test needs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from analysis_runs import finished
from packaging.requirements import Requirement

from analysis.commands import COMMANDS

ROOT = Path(__file__).parent.parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUP: list[str] = PROJECT["dependency-groups"]["analysis"]
ALL = """
import importlib, pkgutil
import analysis
for module in pkgutil.walk_packages(analysis.__path__, "analysis."):
    if module.name != "analysis.paper.figures" and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
"""Every module of analysis but the one that draws with matplotlib, which is an extra."""
COMMANDS_RUN = f"""
from analysis.__main__ import main
for name in {list(COMMANDS)!r}:
    try:
        main([name, "--help"])
    except SystemExit as ended:
        assert ended.code == 0
run, other, out = sys.argv[1:]
assert main(["summary", run]) == 1
assert main(["words", run]) == 0
assert main(["report", run]) == 0
assert main(["compare", run, other]) == 0
assert main(["sweep", "demo", "--over", "load.talkers=1,2", "--check"]) == 2
assert main(["paper", run, "--out", out]) == 2
"""


def closure(names: list[str]) -> dict[str, Distribution]:
    """The distributions that these requirements need, by name, of those that are installed here."""
    found: dict[str, Distribution] = {}
    left = [Requirement(text) for text in names]
    while left:
        wanted = left.pop()
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
            continue
        if wanted.name not in found:
            found[wanted.name] = distribution(wanted.name)
            left += [Requirement(text) for text in found[wanted.name].requires or []]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that has those of the group, and what they need, alone."""
    folder = tmp_path_factory.mktemp("site")
    for one in closure(GROUP).values():
        for top in {file.parts[0] for file in one.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(one.locate_file(top))))
    return folder


def python(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    begin = f"import sys; sys.path[:0] = [{str(site)!r}, {str(ROOT)!r}]\n"
    line = [sys.executable, "-I", "-S", "-c", begin + code, *arguments]
    return subprocess.run(line, cwd=site, capture_output=True, text=True, timeout=120, check=False)


def test_its_ranges_are_those_of_the_project() -> None:
    assert set(GROUP) <= set(PROJECT["project"]["dependencies"])
    extras = PROJECT["project"]["optional-dependencies"]
    assert {*extras["paper"], *extras["notebooks"]} <= set(extras["dev"])


def test_what_makes_load_is_not_in_it(site: Path) -> None:
    assert not {"locust", "gevent", "orjson", "websocket-client", "soundfile", "fastapi"} & set(closure(GROUP))
    done = python(site, "import locust")
    assert "No module named 'locust'" in done.stderr


def test_everything_runs_in_it(site: Path, tmp_path: Path) -> None:
    """In one process: every module is imported, every command says what it takes, a run is read, and what is missing is named."""
    folder = finished(tmp_path)
    done = python(site, ALL + COMMANDS_RUN, str(folder), str(finished(tmp_path / "other")), str(tmp_path / "paper"))
    assert done.returncode == 0, done.stderr
    assert all(f"usage: python -m analysis {name}" in done.stdout for name in COMMANDS)
    assert "# tiny" in done.stdout
    assert "Word error rate: -: nothing was transcribed" in done.stdout
    assert "doubletalk: a sweep starts locust, which is not installed here" in done.stderr
    assert done.stderr.splitlines()[-1] == "doubletalk: paper: matplotlib is not installed: pip install 'matplotlib>=3.9,<4'"
