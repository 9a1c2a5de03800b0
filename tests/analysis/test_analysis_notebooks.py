"""The notebooks run from their first cell to their last, and are kept without what came out of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from benchmarks.made import make
from benchmarks.made_truth import Truth

ROOT = Path(__file__).parent.parent.parent
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
path, folder = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, path)
"""
NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.ipynb"))


def executed(name: str, parameters: str, tmp_path: Path) -> Any:
    """The notebook as it is once it has been run with these parameters; in a process of its own, as gevent may have patched this one."""
    notebook = nbformat.read(ROOT / f"analysis/notebooks/{name}.ipynb", as_version=4)
    (given,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert given.source.splitlines()[0].split(" = ")[0] in parameters
    given.source = parameters
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(notebook, path)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(path), str(ROOT / "analysis/notebooks")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(path, as_version=4)


def told(notebook: Any) -> str:
    """All texts that came out."""
    data = [output["data"] for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs if "data" in output]
    return "\n".join(part.get("text/markdown", part.get("text/plain", "")) for part in data)


def charts(notebook: Any) -> list[str]:
    """The titles of all charts that came out."""
    kind = "application/vnd.plotly.v1+json"
    found = [
        output["data"][kind]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in output.get("data", {})
    ]
    return [chart["layout"]["title"]["text"] for chart in found]


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["capacity", "compare", "explore"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_that_came_out_is_kept(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


def test_explore(tmp_path: Path) -> None:
    made = executed("explore", f"RUN = {str(make(tmp_path / 'run', 200))!r}", tmp_path)
    text = told(made)
    assert "# made" in text
    assert "L6 TTS processing" in text
    assert len(charts(made)) == 4
    assert charts(made)[0].startswith("End-to-end latency, n ")


def test_compare(tmp_path: Path) -> None:
    a = make(tmp_path / "a", 400, talkers=20)
    b = make(tmp_path / "b", 400, talkers=20, number=1, truth=Truth(shifts={"tts_processing": 1.5}))
    made = executed("compare", f"RUNS_A = [{str(a)!r}]\nRUNS_B = [{str(b)!r}]", tmp_path)
    assert "TTS processing" in told(made).split("follow", 1)[0]
    assert charts(made)[0] == "B less A, with 95 % intervals"


def test_capacity(tmp_path: Path) -> None:
    run = make(tmp_path / "run", 400, talkers=20, ramp=1.0, truth=Truth(knee=10))
    made = executed("capacity", f"RUNS = [{str(run)!r}]", tmp_path)
    assert "Little" in told(made)
    assert [title.split(",")[0] for title in charts(made)] == ["e2e_latency p50", "llm_ttft p95", "success value", "End-to-end latency"]
