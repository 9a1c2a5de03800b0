"""The conformance kit against the assistant on three wires, eight times faster than people talk; and against servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websockets.exceptions
from assistant_harness import Running, profile, running
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from protocol import Event, Fact, find, make
from protocol import rehearsal as kit
from protocol.__main__ import main
from protocol.conformance import Watch
from protocol.dialects.raw_pcm import RawPcm
from protocol.events import Unknown
from protocol.rehearsal import rehearse
from protocol.verdict import conforms, shown

SPEED = 8.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("conformance"), profile(pace=SPEED)) as made:
        yield made


def rehearsed(name: str, url: str, secret: str | None = None, speed: float = SPEED, **options: Any) -> Watch:
    dialect = make(find(name), options)
    place = dialect.endpoint(url, None)
    return rehearse(dialect, place, dialect.headers(secret), [secret] if secret else [], speed)


@pytest.mark.parametrize(("name", "path"), [("openai-realtime", ""), ("twilio", "/media-stream"), ("raw-pcm", "/raw")])
def test_the_assistant_conforms(server: Running, name: str, path: str) -> None:
    watch = rehearsed(name, f"http://127.0.0.1:{server.port}{path}", server.token() if name.startswith("openai") else None)
    assert conforms(watch), shown(watch)
    assert [step.partition(":")[0] for step in watch.steps] == [
        "turn",
        "turn to be interrupted",
        "barge-in",
        "barge-in",
        "turn",
        "false alarm",
    ]
    assert "silent" in watch.steps[2]
    assert "answered" in watch.steps[0]
    assert watch.seen == set(Fact) - watch.dialect.untold
    truth = server.until("session")[-1]
    assert truth["close_code"] in (1000, 1005, None)
    if name == "twilio":
        assert watch.understood["Mark"] == 3
    assert watch.audio_samples > 5 * watch.dialect.output_rate


@contextmanager
def hostile(behave: Callable[[ServerConnection], None]) -> Iterator[str]:
    """A server of somebody's that does this with each session."""

    def handle(connection: ServerConnection) -> None:
        try:
            behave(connection)
        except websockets.exceptions.ConnectionClosed:
            pass

    with serve(handle, "127.0.0.1", 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.socket.getsockname()[1]}"
        finally:
            made.shutdown()
            thread.join()


def _listens(connection: ServerConnection) -> None:
    for _ in connection:
        pass


def _closes(connection: ServerConnection) -> None:
    connection.recv()
    connection.send(b"\x7f\x7f" * 160)
    connection.close(1011, "out of tokens")


def _babbles(connection: ServerConnection) -> None:
    for message in (
        '{"type":"weather","sk":"sk-%s"}' % ("x" * 60),
        b"odd",
        '{"type":"audio","audio":"AAA"}',
        '{"type":"audio","audio":"!!!!!!=="}',
        "words",
    ):
        connection.send(message)
    _listens(connection)


def _ends_what_never_began(connection: ServerConnection) -> None:
    connection.send(b"\0\x40")
    connection.send('{"type":"ready"}')
    connection.send('{"type":"end"}')
    connection.send('{"type":"begin"}')
    _listens(connection)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("READY_S", 1.0), ("ANSWER_S", 0.5), ("GREETING_S", 0.1), ("LONGEST_S", 0.5)):
        monkeypatch.setattr(kit, name, seconds)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("behave", "options", "told"),
    [
        (_listens, {}, ["an answer to the turn was due within 0.5 s, and there was none", "turn: no answer was heard within 0.5 s"]),
        (_listens, {"ready_type": "ready"}, ["the session was not ready within 1 s"]),
        (_closes, {}, ["the server closed the session: code 1011, out of tokens", "missing       cancelled"]),
        (
            _babbles,
            {},
            [
                "weather: {",
                "[63 characters]",
                "3 bytes of audio are no whole",
                "3 characters is not base64",
                "audio: Only base64",
            ],
        ),
        (
            _ends_what_never_began,
            {"ready_type": "ready", "begins_type": "begin", "ends_type": "end"},
            ["audio came before the session was ready"],
        ),
    ],
)
def test_what_a_server_does_wrong_is_told(behave: Callable[[ServerConnection], None], options: dict[str, Any], told: list[str]) -> None:
    with hostile(behave) as url:
        watch = rehearsed("raw-pcm", url, speed=20.0, **options)
    text = shown(watch)
    assert not conforms(watch), text
    for line in told:
        assert line in text
    assert "xxxx" not in text


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_rude_to_twilio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "ANSWER_S", 600.0)  # half a minute at this speed: its close comes long before

    def rude(connection: ServerConnection) -> None:
        minute = '{"event":"media","media":{"payload":"%s"}}' % ("////" * 160_000)
        mark, clear = '{"event":"mark","mark":{"name":"m"}}', '{"event":"clear"}'
        for message in ('{"event":"media","media":{}}', b"\0", '{"event":"hold"}', minute, mark, clear):
            connection.send(message)
        for message in connection:
            if '"mark"' in message:
                connection.close()

    with hostile(rude) as url:
        watch = rehearsed("twilio", url, speed=20.0)
    text = shown(watch)
    assert "media: media.payload is missing" in text
    assert "a binary message, where the wire has text only" in text
    assert 'hold: {"event":"hold"}' in text
    assert "the server closed the session: code 1000" in text


@pytest.mark.usefixtures("impatient")
def test_a_dialect_that_breaks_on_a_message_is_told_with_what_came_before() -> None:
    class Ours(RawPcm):
        name = "ours"

        def decode(self, message: bytes) -> Event | list[Event]:
            return Unknown({"talk": "talk"}[message.decode()])

    def talks(connection: ServerConnection) -> None:
        for word in ("talk", "pcm"):
            connection.send(word)
        _listens(connection)

    with hostile(talks) as url:
        watch = rehearse(Ours(), url.replace("http", "ws"), {}, [], 20.0)
    assert watch.violations == {"the dialect raised KeyError: 'pcm'": 1}
    assert (watch.messages, watch.unknown_messages) == (1, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_told_and_the_key_goes_nowhere_else(
    status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-of-ours")
    asked: list[str] = []

    def elsewhere(connection: ServerConnection, request: Request) -> Response:
        asked.append(request.headers.get("Authorization", ""))
        return Response(status, "Moved", Headers({"Location": f"ws://127.0.0.1:{made.socket.getsockname()[1]}/b", "Content-Length": "0"}))

    with serve(_listens, "127.0.0.1", 0, process_request=elsewhere) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{made.socket.getsockname()[1]}/a"
        assert main(["check", "openai-realtime", f"http://{place}", "--api-key-env", "OUR_KEY"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"doubletalk: ws://{place}")
    assert line.endswith(" cannot be called: it redirects to another address: name that one\n")
    assert asked == ["Bearer sk-of-ours"]


def test_options_are_filled_from_the_environment_and_not_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "sk of ours")
    heard: list[str] = []

    def echoes(connection: ServerConnection) -> None:
        assert connection.request is not None
        heard.extend((connection.request.path, str(connection.recv())))
        connection.close(1008, f"what is {heard[0]} or {heard[1]}?")

    with hostile(echoes) as url:
        assert main(["check", "raw-pcm", url, "--option", "hello=${OUR_TOKEN}", "--option", "path=/a/${OUR_TOKEN}"]) == 1
    assert heard == ["/a/sk%20of%20ours", "sk of ours"]
    told = capsys.readouterr().out
    assert f"raw-pcm at {url.replace('http', 'ws')}/a/[secret]: a turn" in told
    assert "code 1008, what is /a/[secret] or [secret]?" in told
    assert "ours" not in told
