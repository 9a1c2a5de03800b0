"""Every dialect by its name, those of users included: a Python file, or a package that was installed with an entry point."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from protocol.dialect import Dialect
from protocol.dialects import DIALECTS
from protocol.options import fits, kinds, told

ENTRY_POINTS: Final = "doubletalk.dialects"
"""Group of the entry points by which an installed package offers dialects: name to class."""


def find(name: str) -> type[Dialect]:
    """The dialect of this name: one of ours, an installed one, or the one in a file whose name ends in `.py`.

    Raises ValueError with one line: there is none, or the file cannot be used.
    """
    if name in DIALECTS:
        return DIALECTS[name]
    if name.endswith(".py"):
        return _in_file(Path(name))
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        known = ", ".join([*DIALECTS, *sorted(installed)])
        raise ValueError(f"there is no dialect {name!r}: there are {known}, or a file of your own such as ./my_dialect.py")
    try:
        found = installed[name].load()
    except Exception as error:
        raise ValueError(f"the installed dialect {name!r} cannot be loaded: {type(error).__name__}: {error}") from None
    return _checked(found, f"the installed dialect {name!r}")


def make(dialect: type[Dialect], options: Mapping[str, Any]) -> Dialect:
    """A dialect for one session. `options`: those that differ from its defaults. Raises ValueError with one line for what does not fit."""
    asked = kinds(dialect)
    known = [field.name for field in fields(dialect.Options)]
    for name, value in options.items():
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{dialect.name} has no option {name!r}: {there}")
        try:
            fine, wanted = fits(asked[name], value), told(asked[name])
        except ValueError as error:
            raise ValueError(f"option {name} of {dialect.name}: {error}") from None
        if not fine:
            raise ValueError(f"option {name} of {dialect.name} must be {wanted}, not {value!r:.60}")
    try:
        return dialect(dialect.Options(**options))
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"{dialect.name} cannot be made: {type(error).__name__}: {error}") from None


def _in_file(path: Path) -> type[Dialect]:
    """The dialect that a file defines: the only class in it that derives from Dialect, or the one that others there do not derive from."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist: name a Python file with a dialect in it")
    name = f"doubletalk_dialect_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the file look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from None
    there = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Dialect) and one.__module__ == name]
    last = [one for one in there if not any(other is not one and issubclass(other, one) for other in there)]
    if len(last) != 1:
        found = ", ".join(one.__name__ for one in last) or "none"
        raise ValueError(f"{path} must define one dialect, a class that derives from protocol.Dialect; there is {found}")
    return _checked(last[0], str(path))


def _checked(found: object, where: str) -> type[Dialect]:
    if not (isinstance(found, type) and issubclass(found, Dialect)):
        raise ValueError(f"{where} is no class that derives from protocol.Dialect")
    if not isinstance(getattr(found, "name", None), str) or not found.name:
        raise ValueError(f'{where}: {found.__name__} has no name: write name = "..." in it')
    if not is_dataclass(found.Options):
        raise ValueError(f"{where}: Options of {found.__name__} is no dataclass: write @dataclass(frozen=True, slots=True) above it")
    return found
