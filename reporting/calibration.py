"""The calibration whose error bars a run carries: the one made on this machine, else the one that comes with Doubletalk."""

from __future__ import annotations

import json
import logging
from importlib.resources import files
from pathlib import Path
from typing import Any

from metrics.accuracy import error_bars

logger = logging.getLogger(__name__)


def accuracy(runs: Path, talkers: int, frame_ms: float, clock: str | None) -> dict[str, Any] | None:
    """What `run.json` says of a run's accuracy: `metrics.accuracy.error_bars`, `machine` on which they were measured, and `own`: whether
    that was done here (`runs`/calibration/calibration.json). None where nothing was measured or no load as high was calibrated."""
    if clock is None:
        return None
    for own, text in ((True, _read(runs / "calibration" / "calibration.json")), (False, _shipped())):
        try:
            found = text and error_bars(calibration := json.loads(text), talkers, frame_ms, clock)
        except (ValueError, KeyError, TypeError):
            logger.warning("%s cannot be read: run `make calibrate` again", runs / "calibration" / "calibration.json")
            continue
        if found:
            return {**found, "own": own, "machine": calibration.get("machine")}
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _shipped() -> str:
    return files("reporting").joinpath("calibration.json").read_text(encoding="utf-8")
