"""Dialects of users: a file, an installed entry point, and what is wrong with either, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol import DIALECTS, Dialect, find, make

FINE = """
from dataclasses import dataclass
from protocol import Dialect

@dataclass(frozen=True, slots=True)
class Options:
    speed: float = 1.0
    loud: bool = False

class Base(Dialect):
    def append(self, audio):
        return audio

class Mine(Base):
    name = "mine"
    Options = Options
"""


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_ours_are_found_by_name() -> None:
    assert {name: find(name) for name in DIALECTS} == DIALECTS
    assert all(dialect.name == name for name, dialect in DIALECTS.items())


def test_a_file_defines_the_class_that_no_other_of_it_derives_from(tmp_path: Path) -> None:
    mine = find(written(tmp_path, FINE))
    assert (mine.name, issubclass(mine, Dialect), mine.__name__) == ("mine", True, "Mine")
    assert make(mine, {"speed": 2, "loud": True}).options == mine.Options(2, True)
    for options, told in (
        ({"loud": 1}, "must be true or false, not 1"),
        ({"speed": "x"}, "must be a number"),
        ({"pitch": 1}, "no option 'pitch'"),
    ):
        with pytest.raises(ValueError, match=told):
            make(mine, options)


def test_a_class_that_takes_no_options_cannot_be_made(tmp_path: Path) -> None:
    mine = find(written(tmp_path, FINE + "\n    def __init__(self):\n        pass\n"))
    with pytest.raises(ValueError, match=r"mine cannot be made: TypeError: .*__init__\(\) takes 1 positional argument but 2 were given"):
        make(mine, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "must define one dialect, a class that derives from protocol.Dialect; there is none"),
        (FINE + "\nclass Other(Dialect):\n    name = 'other'\n", "there is Mine, Other"),
        ("from protocol.dialects.twilio import Twilio", "there is none"),
        ("from protocol import Dialect\nclass Mine(Dialect): pass", 'Mine has no name: write name = "..." in it'),
        (FINE.replace("Options = Options", "Options = dict"), "Options of Mine is no dataclass: write @dataclass"),
        ("def", "cannot be loaded: SyntaxError"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_file_that_is_no_dialect(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:
        find(written(tmp_path, text))
    assert told in str(refused.value)
    assert "mine.py" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.py does not exist: name a Python file with a dialect in it"):
        find(str(tmp_path / "nowhere.py"))
    with pytest.raises(ValueError, match="or a file of your own such as"):
        find("klingon")


def test_an_installed_package_offers_dialects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, FINE + "\nnumber = 5\n", "a_package_of_ours.py")
    info = tmp_path / "a_package_of_ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-package-of-ours\nVersion: 1.0\n")
    points = "ours = a_package_of_ours:Mine\nlost = a_package_of_ours:Lost\nnumber = a_package_of_ours:number\n"
    (info / "entry_points.txt").write_text(f"[doubletalk.dialects]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("ours").__name__ == "Mine"
    for name, told in (
        ("lost", "the installed dialect 'lost' cannot be loaded: AttributeError"),
        ("number", "the installed dialect 'number' is no class that derives"),
        ("theirs", "lost, number, ours, or a file"),
    ):
        with pytest.raises(ValueError, match=told):
            find(name)
