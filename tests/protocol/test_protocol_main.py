"""`python -m protocol`: what is printed, and with which exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from protocol import DIALECTS, table
from protocol.__main__ import given, main

ROOT = Path(__file__).parents[2]
SECRET = "sk-very-secret"


def test_every_dialect_is_listed_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == list(DIALECTS)
    assert lines["openai-realtime"] == "no options"
    assert lines["twilio"] == "account_sid, parameters, path"


@pytest.mark.parametrize("arguments", [["twilio"], ["raw-pcm", "--option", "json=true", "--option", "input_rate=8000"]])
def test_a_dialect_without_a_server(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 0
    assert "the dialect conforms (no server was called" in capsys.readouterr().out


def test_a_dialect_that_does_not_conform_calls_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from protocol import Dialect\n\n\nclass Mine(Dialect):\n    name = 'mine'\n")
    assert main(["check", str(mine), "http://127.0.0.1:1"]) == 1
    told = capsys.readouterr().out
    assert "violation     how it gets in: raised NotImplementedError" in told
    assert "mine: the dialect does not conform" in told


def test_a_dialect_that_writes_audio_in_another_way_conforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from protocol import Dialect, websocket_url\nfrom protocol.events import Ignored\n\n\nclass Mine(Dialect):\n    name = 'mine'\n"
        "    def endpoint(self, base_url, model): return websocket_url(base_url, '')\n"
        "    def append(self, audio): return audio.hex().encode()\n"
        "    def decode(self, message): return Ignored('text')\n"
        "    decode_binary = decode\n"
    )
    assert main(["check", str(mine)]) == 0
    told = capsys.readouterr().out
    assert "note          the message of append does not hold the audio, as it is or in base64" in told
    assert "mine: the dialect conforms" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["klingon"], "there is no dialect 'klingon': there are"),
        (["./nowhere.py"], "nowhere.py does not exist: name a Python file with a dialect in it"),
        (["twilio", "ftp://x"], "URL must begin with http://"),
        (["twilio", "http://h", "--option", "x"], "--option x: write NAME=VALUE"),
        (["raw-pcm", "--option", "json=yes"], "--option json=yes: it takes true or false"),
        (["raw-pcm", "--option", "input_rate=fast"], "--option input_rate=fast: it takes a whole number"),
        (["raw-pcm", "--option", "input_rate=7"], "input_rate 7: there are 8000, 16000, 24000, 48000"),
        (["raw-pcm", "--option", "colour=red"], "raw-pcm has no option 'colour'"),
        (["raw-pcm", "http://h", "--option", "hello=${NO_SUCH}"], "hello needs ${NO_SUCH}: set the environment variable NO_SUCH"),
        (["raw-pcm", "http://h", "--option", "hello=${BROKEN}"], "hello: BROKEN has characters that cannot be sent"),
        (["openai-realtime", "http://h", "--api-key-env", "NO_SUCH"], "--api-key-env: the environment variable NO_SUCH is not set"),
        (["openai-realtime", "http://h", "--api-key-env", "BROKEN"], "secret is empty or has characters"),
    ],
)
def test_what_cannot_be_checked(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", SECRET + "\n")
    assert main(["check", *arguments]) == 2
    line = capsys.readouterr().err
    assert line.startswith("doubletalk: ")
    assert line.count("\n") == 1
    assert told in line
    assert SECRET not in line


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{reserved.getsockname()[1]}"
        assert main(["check", "twilio", f"http://{place}/ws?key={SECRET}"]) == 2
    told = capsys.readouterr()
    assert f"doubletalk: ws://{place}/ws cannot be called: [Errno 111] Connection refused" in told.err
    assert SECRET not in told.out + told.err


def test_options_have_the_types_of_the_dialects() -> None:
    assert given(DIALECTS["raw-pcm"], ["json=false", "output_rate=8000", "hello=a=b", "unheard=5"]) == {
        "json": False,
        "output_rate": 8000,
        "hello": "a=b",
        "unheard": "5",
    }


def test_the_page_holds_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table"]) == 0
    made = capsys.readouterr().out
    assert made == table.table()
    assert made in (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8"), "run make docs"
    rows = {row.split("|")[1].strip(): row for row in made.splitlines()}
    assert set(rows) == {"wire", "---", *(f"`{name}`" for name in DIALECTS)}
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    assert main(["table", str(page)]) == 0
    assert page.read_text() == f"before\n{table.BEGIN}\n\n{made}\n{table.END}\nafter\n"
    page.write_text("nothing")
    assert main(["table", str(page)]) == 2
    assert "the page must hold the lines" in capsys.readouterr().err
