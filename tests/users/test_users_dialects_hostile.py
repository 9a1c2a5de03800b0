"""Servers on every wire that close, fall silent, or send rubbish: an outcome in the record, a counted error, and nobody hangs or dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from users_assistants import a_run, locust_running
from users_peers import Peer, served, until
from users_wires import BY_NAME, Mouth
from websockets.frames import Opcode

from metrics.records import ErrorKind, Outcome, SessionOutcome
from protocol import DIALECTS
from users.talker import Talker

NAMES = sorted(set(DIALECTS) & set(BY_NAME))
TEXTS = ("", "{", "[]", "null", '"x"', '{"type":"never.heard.of","event":"never.heard.of"}', '{"type":7,"event":7}')
BINARIES = (b"", b"\xff", b"\xff\xfe\xfd", b"\x0a\xff\xff\xff\xff\x0f\x00")
LIMITS = {"setup_s": 4, "response_s": 1.5, "stall_s": 1.5}


def rubbish(mouth: Mouth) -> None:
    """What is no message of any wire."""
    for text in TEXTS:
        mouth.peer.text(text)
    for binary in BINARIES:
        mouth.peer.send(Opcode.BINARY, binary)


def silent(mouth: Mouth) -> None:
    mouth.ready().until_gone()


def closing(mouth: Mouth) -> None:
    mouth.ready().utterance()
    mouth.begin(3)
    mouth.peer.send(Opcode.CLOSE, (1011).to_bytes(2, "big") + b"out of order")


def cut(mouth: Mouth) -> None:
    mouth.ready().utterance()
    mouth.begin(3)
    mouth.peer.reset()


def babbling(mouth: Mouth) -> None:
    mouth.ready()
    rubbish(mouth)
    mouth.utterance()
    rubbish(mouth)
    mouth.break_audio()
    mouth.begin(5)
    rubbish(mouth)
    mouth.done()
    mouth.until_gone()


@pytest.mark.parametrize("name", NAMES)
def test_bad_servers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four talkers at once, each with a server of its own kind; who calls again meets a silent one."""
    monkeypatch.setattr("users.talker._LASTED_S", 0.2)  # half a second of hearing the short clip out is a session here
    broken: list[int] = []

    def session(act: Callable[[Mouth], None]) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            mouth = Mouth(peer, name)
            try:
                act(mouth)
            finally:
                broken.append(mouth.broken)

        return script

    scripts = [session(act) for act in (babbling, closing, cut, silent)]
    run_limits = {"limits": LIMITS, "conversation": {"turns": 1, "think_s": 0, "between_calls_s": 60}}
    with served(*scripts) as server:
        run = a_run(server.host, tmp_path, run_limits, dialect=name)
        with locust_running(run, Talker, users=4) as (_, heard):
            until(lambda: sum(turn.outcome is Outcome.CONNECTION_LOST for turn in heard.turns) >= 2 and len(heard.turns) >= 4)
            until(lambda: len(heard.sessions) >= 4)
        assert run.faults.count == 0
    outcomes = Counter(turn.outcome for turn in heard.turns if turn.outcome is not Outcome.CUT_BY_RUN_END)
    assert (outcomes[Outcome.COMPLETED], outcomes[Outcome.CONNECTION_LOST]) == (1, 2)
    assert outcomes[Outcome.NO_RESPONSE] == outcomes.total() - 3 >= 1
    kinds = {turn.outcome: turn.error_kind for turn in heard.turns}
    assert (kinds[Outcome.COMPLETED], kinds[Outcome.CONNECTION_LOST], kinds[Outcome.NO_RESPONSE]) == (
        None,
        ErrorKind.REMOTE_CLOSE,
        ErrorKind.TIMEOUT,
    )
    lost = [one for one in heard.sessions if one.outcome is SessionOutcome.LOST]
    assert len(lost) == 2
    assert all(one.error_kind is not None for one in lost)
    (babbled,) = [one for one in heard.sessions if one.malformed_messages or one.unknown_events]
    assert babbled.malformed_messages >= max(broken)
    assert babbled.outcome is SessionOutcome.HUNG_UP
