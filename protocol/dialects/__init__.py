"""One file per wire. Each dialect that is defined here is found by its name; nothing else needs to know of it."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Final

from protocol.dialect import Dialect


def _defined() -> dict[str, type[Dialect]]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    classes = [one for module in modules for one in vars(module).values() if isinstance(one, type) and issubclass(one, Dialect)]
    return {one.name: one for one in classes if hasattr(one, "name")}


DIALECTS: Final[dict[str, type[Dialect]]] = _defined()
"""Every dialect of ours under the name by which a run asks for it."""
