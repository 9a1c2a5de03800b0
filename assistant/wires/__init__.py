"""One file per wire on which the assistant can be talked to. Each that is defined here is served; nothing else needs to know of it."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Final

from assistant.wires.base import Wire


def _defined() -> tuple[type[Wire], ...]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    classes = [one for module in modules for one in vars(module).values() if isinstance(one, type) and issubclass(one, Wire)]
    return tuple({one.name: one for one in classes if hasattr(one, "name")}.values())


WIRES: Final = _defined()
