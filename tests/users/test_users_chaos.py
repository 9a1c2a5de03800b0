"""Chaos in one process: what the timetable and a hand do to real talkers, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from users_assistants import Assistant, Heard, a_run, locust_running
from users_peers import Peer, Server, served, until

from metrics.faults import FaultRecord, merged
from metrics.records import ErrorKind, Outcome, SessionOutcome
from scenarios import Action, Do, ScenarioError, hit
from users.chaos import Chaos
from users.clock import now_ns
from users.run import Run, make_run
from users.talker import Talker

MS = 1_000_000


def listens(peer: Peer) -> None:
    """An assistant that never says anything."""
    Assistant(peer).ready()
    peer.drain()


def with_chaos(run: Run, *actions: Action, commands: bool = False) -> Run:
    """The same run with these actions."""
    options = run.options.__class__(**{**run.options.shown(), "chaos_commands": commands})
    return make_run(options, run.scenario.model_copy(update={"chaos": actions}))


@contextmanager
def talking(tmp: Path, *actions: Action, users: int = 1, **made: Any) -> Iterator[tuple[Run, Chaos, list[FaultRecord], Heard, Server]]:
    """Talkers with open sessions, and chaos among them from then on."""
    told: list[FaultRecord] = []
    with served(listens) as server:
        run = with_chaos(a_run(server.host, tmp, {"conversation": {"think_s": 60}}), *actions, commands=True)
        with locust_running(run, Talker, users=users) as (_, heard):
            until(lambda: len(run.sessions) == users)
            run.began_ns = now_ns()
            chaos = Chaos(run, told.append, **made)
            yield run, chaos, told, heard, server
            chaos.stop()


@pytest.mark.parametrize("do", ["drop", "reset"])
def test_a_session_that_is_ended_is_lost_by_chaos_and_had_again(tmp_path: Path, do: str) -> None:
    with talking(tmp_path) as (run, chaos, told, heard, _):
        session = run.sessions[0]
        chaos.by_hand({"do": do})
        until(lambda: heard.sessions and run.sessions and run.sessions[0] is not session)
        (fault,) = told
        assert (fault.fault, fault.what, fault.by, fault.share, fault.hit, fault.present) == ("hand.0", do, "hand", 1.0, 1, 1)
    lost, back = heard.sessions
    assert (lost.outcome, lost.error_kind, lost.error) == (SessionOutcome.LOST, ErrorKind.CHAOS, f"chaos hand.0: {do}")
    assert (back.reconnect, back.lost_ns, back.call) == (True, lost.closed_ns, 0)
    assert back.ready_ns is not None
    assert back.down_s == (back.ready_ns - lost.closed_ns) / 1e9 > 0.25, "half of the first back-off at least"


def test_a_storm_calls_again_at_once(tmp_path: Path) -> None:
    with talking(tmp_path, users=5) as (run, chaos, told, heard, _):
        before = set(run.sessions.values())
        chaos.by_hand({"do": "reconnect_storm"})
        until(lambda: len(heard.sessions) == 5 and len(run.sessions) == 5)
        assert not before & set(run.sessions.values())
        assert told[0].hit == 5
    backs = [session for session in heard.sessions if session.reconnect]
    assert len(backs) == 5
    assert {session.outcome for session in heard.sessions if not session.reconnect} == {SessionOutcome.LOST}
    for back in backs:
        assert back.lost_ns is not None
        assert back.started_ns - back.lost_ns < 250 * MS, "shorter than any back-off"


def test_a_stall_that_the_runs_end_cuts_off_is_told_with_what_it_lasted(tmp_path: Path) -> None:
    with talking(tmp_path) as (run, chaos, told, _, _):
        chaos.by_hand({"do": "stall", "for_s": 60})
        until(lambda: told)
        assert [(fault.for_s, fault.hit) for fault in told] == [(60, 1)], "at once, as it is planned"
        gevent.sleep(0.3)
        chaos.stop()
        assert len(told) == 2
        assert (told[1].fault, told[1].hit, told[1].present, told[1].talkers) == (told[0].fault, 0, 0, ())
        (whole,) = merged(told)
        assert 0.3 <= whole.for_s <= (now_ns() - run.began_ns) / 1e9 < 60
        assert (whole.hit, whole.talkers) == (1, (0,))
        assert run.sessions[0].link.stall(), "the first is over"


def test_a_stall_holds_the_talker_up_and_passes(tmp_path: Path) -> None:
    with talking(tmp_path) as (run, chaos, told, heard, _):
        link = run.sessions[0].link
        chaos.by_hand({"do": "stall", "for_s": 0.5})
        until(lambda: told)
        assert (told[0].for_s, told[0].hit) == (0.5, 1)
        until(lambda: link.unsent_bytes > 0)
        chaos.by_hand({"do": "stall", "for_s": 0.5})
        until(lambda: len(told) == 2)
        assert told[1].hit == 0, "it stalls already"
        until(lambda: link.unsent_bytes == 0)
        assert heard.sessions == []


@pytest.mark.parametrize(("kind", "opcode"), [("frames", None), ("json", 1), ("bytes", 1)])
def test_garbage_is_sent(tmp_path: Path, kind: str, opcode: int | None) -> None:
    got: list[Any] = []

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        try:
            while assistant.listen() or len(assistant.messages) == 1:
                pass
            got.append(assistant.messages[-1])
        except Exception as error:
            got.append(error)
        peer.sock.close()

    with served(script) as server:
        run = with_chaos(a_run(server.host, tmp_path, {"conversation": {"think_s": 60}}))
        with locust_running(run, Talker) as (_, heard):
            until(lambda: run.sessions)
            run.began_ns = now_ns()
            told: list[FaultRecord] = []
            chaos = Chaos(run, told.append)
            chaos.by_hand({"do": "garbage", "kind": kind})
            until(lambda: got and heard.sessions)
            assert (told[0].what, told[0].detail, told[0].hit) == ("garbage", kind, 1)
            chaos.stop()
    assert heard.sessions[0].error_kind is ErrorKind.REMOTE_CLOSE, "what comes of it is the assistant's"
    if kind == "json":
        assert got[0]["type"].startswith("chaos.")


def test_a_turn_that_chaos_ends_is_no_fault_of_the_assistants(tmp_path: Path) -> None:
    with served(listens) as server:
        run = with_chaos(a_run(server.host, tmp_path))
        with locust_running(run, Talker) as (_, heard):
            until(lambda: run.sessions and run.sessions[0].turns_begun)
            run.began_ns = now_ns()
            chaos = Chaos(run, lambda _: None)
            chaos.by_hand({"do": "drop"})
            until(lambda: heard.turns)
            chaos.stop()
    turn = heard.turns[0]
    assert (turn.outcome, turn.error_kind, turn.error) == (Outcome.CONNECTION_LOST, ErrorKind.CHAOS, "chaos hand.0: drop")


def test_the_timetable_hits_who_is_planned_when_it_is_due(tmp_path: Path) -> None:
    action = Action.model_construct(do=Do.STALL, for_s=60, every_s=0.3, share=0.5, until_s=0.7)  # no scenario may so often
    first, second = ({talker for talker in range(4) if hit(1, 0, n, 0.5, talker)} for n in range(2))
    with talking(tmp_path, action, users=4) as (run, chaos, told, _, _):
        until(lambda: len(told) == 2)
        assert [(fault.fault, fault.by, fault.present, fault.for_s) for fault in told] == [
            ("0.0", "scenario", 4, 60),
            ("0.1", "scenario", 4, 60),
        ]
        assert [fault.hit for fault in told] == [2, len(second - first)], "who stalls already is not hit"
        assert [set(fault.talkers or ()) for fault in told] == [first, second - first]
        assert {talker for talker, session in run.sessions.items() if not session.link.stall()} == first | second
        assert [fault.t_s >= due_s for fault, due_s in zip(told, (0.3, 0.6), strict=True)] == [True, True]
        gevent.sleep(0.3)
        assert len(told) == 2, "until_s"
        chaos.stop()
        assert all(session.link.stall() for talker, session in run.sessions.items() if talker in first), "stalls are over with the run"


def test_who_joins_late_does_not_catch_up(tmp_path: Path) -> None:
    run = with_chaos(a_run("http://127.0.0.1:1", tmp_path), Action(do=Do.DROP, at_s=1), Action(do=Do.RESET, at_s=5.05))
    told: list[FaultRecord] = []
    run.began_ns = now_ns() - 5_000 * MS
    chaos = Chaos(run, told.append)
    until(lambda: told)
    assert [(fault.fault, fault.hit, fault.present) for fault in told] == [("1.0", 0, 0)]
    chaos.stop()


@pytest.mark.parametrize(("talkers", "commands", "names"), [(True, False, ["1.0"]), (False, True, ["0.0"]), (True, True, ["0.0", "1.0"])])
def test_each_does_what_is_its_own(tmp_path: Path, talkers: bool, commands: bool, names: list[str]) -> None:
    actions = (Action(do=Do.COMMAND, at_s=0, run=("true",)), Action(do=Do.DROP, at_s=0.05))
    run = with_chaos(a_run("http://127.0.0.1:1", tmp_path), *actions, commands=True)
    told: list[FaultRecord] = []
    run.began_ns = now_ns()
    chaos = Chaos(run, told.append, talkers, commands)
    until(lambda: len(told) == len(names))
    gevent.sleep(0.1)
    assert sorted(fault.fault for fault in told) == names
    if commands:
        command = next(fault for fault in told if fault.what == "command")
        assert (command.detail, command.share, command.hit) == ("true: exit code 0", None, 0)
    chaos.stop()


def test_a_command_that_still_runs_at_the_end_is_told(tmp_path: Path) -> None:
    run = with_chaos(a_run("http://127.0.0.1:1", tmp_path), Action(do=Do.COMMAND, at_s=0, run=("sleep", "600")), commands=True)
    told: list[FaultRecord] = []
    run.began_ns = now_ns()
    chaos = Chaos(run, told.append)
    gevent.sleep(0.2)
    assert told == []
    chaos.stop()
    assert [fault.detail for fault in told] == ["sleep: not over at the end of the run"]
    with pytest.raises(ScenarioError, match="the run is over, or about to end"):
        chaos.by_hand({"do": "drop"})


def test_a_masters_order_is_sent_to_its_workers_and_done_there(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    with talking(tmp_path, Action(do=Do.COMMAND, at_s=900, run=("true",)), users=2, commands=False) as (run, worker, told, heard, _):
        mine: list[FaultRecord] = []
        master = Chaos(run, mine.append, talkers=False, send=sent.append)
        master.by_hand({"do": "drop", "share": 0.5})
        worker.ordered(sent[0])
        until(lambda: told and heard.sessions)
        assert (told[0].fault, told[0].hit, told[0].present) == ("hand.0", 1, 2)
        assert mine == []
        master.by_hand({"number": 0})
        until(lambda: mine)
        assert (mine[0].fault, mine[0].by, mine[0].detail) == ("hand.1", "hand", "true: exit code 0")
        assert len(sent) == 1, "a command is the master's"
        master.stop()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "do: Field required"),
        ({"do": "burn"}, "do: Input should be 'drop'"),
        ({"do": "drop", "share": 2}, "share: Input should be less than or equal to 1"),
        ({"do": "stall"}, "for_s goes with do: stall"),
        ({"do": "command", "run": ["rm", "-r", "/"]}, "run goes with do: command"),
        ({"number": 1}, "number: the scenario has no command 1"),
        ({"number": "0"}, "number: the scenario has no command '0'"),
        ({"number": [0]}, "number: the scenario has no command"),
    ],
)
def test_what_a_hand_may_not(tmp_path: Path, asked: dict[str, Any], says: str) -> None:
    actions = (Action(do=Do.COMMAND, at_s=900, run=("true",)), Action(do=Do.DROP, at_s=901))
    chaos = Chaos(with_chaos(a_run("http://127.0.0.1:1", tmp_path), *actions, commands=True), lambda _: None)
    with pytest.raises(ScenarioError, match=r".") as refused:
        chaos.by_hand(asked)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    chaos.stop()


def test_a_command_needs_the_owners_word(tmp_path: Path) -> None:
    run = a_run("http://127.0.0.1:1", tmp_path)
    with pytest.raises(ScenarioError, match=r"chaos\.0\.run: .* \(here: docker\): start locust with --chaos-commands"):
        with_chaos(run, Action(do=Do.COMMAND, at_s=1, run=("docker", "kill", "x")))
