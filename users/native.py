"""Which of the two does what is done for every frame and every message: C, where it was built at installation, or Python.

The environment variable DOUBLETALK_PYTHON=1 chooses Python, for measuring and for finding faults.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from users import line

__all__ = ["NATIVE", "Capture", "Line", "Path", "Transit", "capture_all", "look"]

if TYPE_CHECKING:
    from users.line import Capture, Line, Path, Transit, capture_all, look

    NATIVE: bool
    """Whether it is C."""
else:
    try:
        if os.environ.get("DOUBLETALK_PYTHON") == "1":
            raise ImportError
        from users import _line as chosen
    except ImportError:
        chosen = line
    NATIVE = chosen is not line
    Capture, Line, capture_all, look = chosen.Capture, chosen.Line, chosen.capture_all, chosen.look
    Path, Transit = chosen.Path, chosen.Transit
