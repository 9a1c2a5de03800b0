"""`sweep.json`: which runs a sweep is made of, with which settings each was made, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.files import RunError
from analysis.put import put

FILE = "sweep.json"
"""Its name, in the sweep's folder."""
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of a sweep. `settings`: the value of each axis; `repeat`: from 1; `seed`: the run's, the same for all settings of a repeat, so
    that they meet the same talkers. `folder`: of the run, below the sweep's; `code`: its exit code; `valid`: whether the tester was fit to
    measure. None: it has not been run yet."""

    number: int
    settings: dict[str, Any]
    repeat: int
    seed: int
    folder: str | None = None
    code: int | None = None
    valid: bool | None = None

    @property
    def told(self) -> str:
        """`session.vad_threshold=0.3, repeat 2`: for people."""
        return ", ".join([*(f"{key}={shown(value)}" for key, value in self.settings.items()), f"repeat {self.repeat}"])


@dataclass(frozen=True, slots=True)
class Manifest:
    """`axes`: each setting that was varied, and its values in the author's order. `plan`: the sweep's file as it was understood. `cells`:
    in the order in which they are run."""

    name: str
    scenario: str
    axes: dict[str, list[Any]]
    plan: dict[str, Any]
    cells: tuple[Cell, ...]


def shown(value: Any) -> str:
    """A value of an axis as people and the command line write it."""
    return value if isinstance(value, str) else json.dumps(value)


def read(folder: Path) -> Manifest:
    """The sweep in this folder. Raises RunError where there is none, or it is broken or of another version."""
    path = folder / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        version = told.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise RunError(f"{path}: sweep of schema version {version}; this reader knows {SCHEMA_VERSION}: use the version that wrote it")
        return Manifest(**{**told, "cells": tuple(Cell(**cell) for cell in told["cells"])})
    except FileNotFoundError:
        raise RunError(f"{path}: missing; name the folder that a sweep was made in") from None
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: broken: {error or type(error).__name__}") from None


def write(folder: Path, manifest: Manifest) -> None:
    """Put it there, whole or not at all. Raises RunError where that cannot be."""
    path = folder / FILE
    written = {"schema_version": SCHEMA_VERSION, **asdict(manifest)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror or error}") from None
    put(path, json.dumps(written, indent=1) + "\n")


def done(manifest: Manifest) -> Sequence[Cell]:
    """The runs that there are."""
    return [cell for cell in manifest.cells if cell.folder is not None]
