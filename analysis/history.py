"""Many runs: found in folders, in the order in which they were made, those together that are of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from analysis.load import Loaded, RunError, load

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, order=True)
class Kin:
    """What runs that can be compared with one another have in common."""

    scenario: str
    host: str
    dialect: str

    def __str__(self) -> str:
        return f"{self.scenario} against {self.host} ({self.dialect})"


def kin(run: Loaded) -> Kin:
    """Of a run. The port of this machine's own address does not count: a target that a test starts has another each time."""
    host = str(run.info["host"])
    try:
        parts = urlsplit(host)
        if parts.hostname in _LOOPBACK:
            host = f"{parts.scheme}://{parts.hostname}"
    except ValueError:
        pass
    return Kin(run.info["scenario"]["name"], host, run.info["dialect"])


def read(folders: Sequence[str | Path]) -> tuple[list[Loaded], list[str]]:
    """The runs in these folders, or in folders directly in them, by their start, each once; and in words those that cannot be read.
    Raises RunError where a folder is neither a run nor has one in it."""
    found: dict[Path, Loaded] = {}
    broken: list[str] = []
    for given in map(Path, folders):
        if (given / "run.json").exists() or not given.is_dir():
            places = [given]
        else:
            places = sorted(at.parent for at in given.glob("*/run.json"))
        if not places:
            raise RunError(f"{given}: neither a run nor a folder of runs: no run.json is there, nor in a folder in it")
        for place in places:
            try:
                found.setdefault(place.resolve(), load(place))
            except RunError as error:
                if place == given:
                    raise
                broken.append(str(error))
    return sorted(found.values(), key=lambda run: float(run.info["started_epoch_s"])), broken
