"""The import rules of docs/architecture.md: who may import whom."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"audio", "protocol", "scenarios", "metrics", "users", "reporting", "wiring", "analysis", "assistant", "benchmarks", "monitoring"}
RULES = {
    "audio": (set(), {"numpy", "soundfile", "soxr", "webrtcvad"}),
    "protocol": (set(), {"orjson", "numpy", "google"}),
    "scenarios": ({"audio"}, {"pydantic", "yaml"}),
    "metrics": ({"audio", "protocol"}, {"numpy", "orjson"}),
    "users": ({"scenarios", "audio", "protocol", "metrics"}, {"locust", "gevent", "geventhttpclient", "websocket", "orjson"}),
    "reporting": (
        {"metrics"},
        {"locust", "gevent", "flask", "flask_login", "werkzeug", "geventhttpclient", "plotly", "prometheus_client", "pyarrow", "msgpack"},
    ),
    "wiring": ({"scenarios", "users", "metrics", "reporting"}, {"locust", "gevent"}),
    "analysis": (
        {"metrics", "reporting"},
        {"pandas", "numpy", "scipy", "pyarrow", "jinja2", "markupsafe", "plotly", "ruptures", "matplotlib", "pydantic", "yaml", "tqdm"},
    ),
    "benchmarks": (
        {"audio", "protocol", "scenarios", "metrics", "reporting", "analysis", "assistant"},
        {"locust", "gevent", "websocket", "pandas", "numpy", "scipy", "soundfile", "pyarrow", "msgpack", "psutil", "tqdm"},
    ),
    "monitoring": ({"metrics", "reporting"}, {"grafana_foundation_sdk", "yaml"}),
    "assistant": (
        {"audio"},
        {
            "fastapi",
            "starlette",
            "uvicorn",
            "uvloop",
            "websockets",
            "pydantic",
            "yaml",
            "prometheus_client",
            "psutil",
            "orjson",
            "numpy",
            "google",
        },
    ),
}
PURE = {"audio", "protocol", "scenarios", "metrics"}
IMPURE_MODULES = {"time", "socket", "threading", "asyncio", "logging", "select", "selectors", "ssl", "http", "urllib.request"}
COMPOSITION_ROOT = {"users", "reporting", "wiring", "locust"}
TOOLS = {"audio/make_corpus.py", "scenarios/__main__.py", "protocol/__main__.py", "protocol/rehearsal.py"}
"""Commands, which nothing else imports: one makes files of the repository and runs programs; one checks scenarios and knows all of their
words; one talks to servers."""


def written() -> dict[str, tuple[set[str], set[str]]]:
    """The table of docs/architecture.md: what each package may import, of ours and from outside."""
    lines = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    names = [[{one for one in re.sub(r"\(.*?\)", "", cell).replace(" ", "").split(",") if one != "-"} for cell in row[1:]] for row in rows]
    return {row[0]: (found[0], found[1]) for row, found in zip(rows, names, strict=True) if row[0] in RULES}


def test_the_page_tells_the_rules() -> None:
    assert written() == {package: (ours - {package}, outside) for package, (ours, outside) in RULES.items()}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who imports whom"
            found.add(node.module or "")
    return found


def files(package: str) -> list[Path]:
    return sorted(p for p in (ROOT / package).rglob("*.py") if str(p.relative_to(ROOT)) not in TOOLS)


@pytest.mark.parametrize("package", sorted(RULES))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    ours, outside = RULES[package]
    allowed = ours | outside | {package} | set(sys.stdlib_module_names)
    wrong = {f"{p.relative_to(ROOT)}: {m}" for p in files(package) for m in imported(p) if m.split(".")[0] not in allowed}
    assert not wrong


@pytest.mark.parametrize("package", sorted(PURE))
def test_a_pure_package_has_no_clock_socket_or_logger(package: str) -> None:
    wrong = {f"{p.relative_to(ROOT)}: {m}" for p in files(package) for m in imported(p) if m in IMPURE_MODULES}
    assert not wrong


def test_the_composition_root_imports_only_what_it_may() -> None:
    allowed = COMPOSITION_ROOT | set(sys.stdlib_module_names)
    assert {m for m in imported(ROOT / "locustfile.py") if m.split(".")[0] not in allowed} == set()


def test_only_one_file_of_users_reads_clocks() -> None:
    assert [p.name for p in files("users") if "time" in imported(p)] == ["clock.py"]


def test_nothing_is_imported_for_the_first_time_at_run_time() -> None:
    """Locust drops the locustfile's folder from sys.path after loading it."""
    late = set()
    for package in ("users", "reporting", "wiring"):
        for path in files(package):
            for function in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)):
                late.update(f"{path.name}: {function.name}" for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom))
    assert not late


@pytest.mark.parametrize("package", sorted(OURS))
def test_files_stay_small(package: str) -> None:
    long = {str(p.relative_to(ROOT)): n for p in files(package) if (n := len(p.read_text().splitlines())) > 400}
    assert not long
