"""The shipper: whatever the way there and back loses, each batch is taken once and in order; what is not acknowledged is on disk."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk
from reporting_local import Player, who

from metrics.health import Health
from reporting.batch import Batch
from reporting.journal import entries
from reporting.shipper import RESEND_S, SPOOL_S, Shipper
from reporting.workers import joined


class Line:
    """A way to a receiver that takes what is next only, as the collector does. What is sent, and what is acknowledged, is under way until
    the test lets it arrive, or be lost. `cut`: sending fails."""

    def __init__(self, folder: Path, at_once: bool = False) -> None:
        self.t_s = 0.0
        self.taken: list[int] = []
        self.sent: list[int] = []
        self.there: deque[dict[str, Any]] = deque()
        self.back: deque[int] = deque()
        self.cut = False
        self.path = folder / "deep" / "run.w-1.journal"
        self._at_once = at_once
        self._player = Player("w-1")
        self.shipper = Shipper(self._send, self.path, who("w-1"), lambda: self.t_s)

    def ship(self, last: bool = False) -> None:
        self.shipper.ship(Batch.from_plain(self._player.plain(last=last)))

    def _send(self, plain: dict[str, Any]) -> None:
        self.sent.append(plain["seq"])
        if self.cut:
            raise OSError(104, "Connection reset by peer")
        self.there.append(plain)
        if self._at_once:
            self.arrive()
            self.answer()

    def arrive(self, lost: bool = False) -> None:
        if self.there:
            plain = self.there.popleft()
            if not lost:
                if plain["seq"] == len(self.taken) + 1:
                    self.taken.append(plain["seq"])
                self.back.append(len(self.taken))

    def answer(self, lost: bool = False) -> None:
        if self.back:
            seq = self.back.popleft()
            if not lost:
                self.shipper.acknowledge(seq)

    def settle(self) -> None:
        while self.there or self.back:
            self.arrive()
            self.answer()

    def spooled(self) -> list[int]:
        """The numbers of the batches on disk."""
        if not self.path.exists():
            return []
        first, *others = entries(self.path)
        assert first == joined(who("w-1"))
        assert all(entry["worker"] == "w-1" for entry in others)
        return [entry["batch"]["seq"] for entry in others]

    def unacknowledged(self) -> list[int]:
        return [plain["seq"] for plain in self.shipper._waiting]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ship", "arrive", "lose", "answer", "forget", "cut", "mend", "retry"]), st.just(0.0)),
        st.tuples(st.just("wait"), st.floats(0.0, 12.0)),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(STEPS)
def test_in_the_end_each_batch_is_taken_once_and_in_order(steps: list[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder))
        shipped = 0
        for step, s in steps:
            line.t_s += s
            match step:
                case "ship":
                    line.ship()
                    shipped += 1
                case "arrive" | "lose":
                    line.arrive(lost=step == "lose")
                case "answer" | "forget":
                    line.answer(lost=step == "forget")
                case "cut" | "mend":
                    line.cut = step == "cut"
                case "retry":
                    line.shipper.retry()
            waiting = line.unacknowledged()
            assert waiting == list(range(shipped - len(waiting) + 1, shipped + 1))
            assert line.shipper.waiting == len(waiting)
            assert set(waiting) | set(line.taken) == set(range(1, shipped + 1)), "what is forgotten was taken"
            assert line.taken == list(range(1, len(line.taken) + 1))
            kept = line.spooled()
            assert kept == sorted(set(kept)), "each once, in order"
            assert (line.shipper.spool == line.path) is line.path.exists() is bool(kept)
            if kept:
                assert set(waiting) <= set(kept)
        line.cut = False
        line.settle()
        for _ in range(2):
            line.t_s += RESEND_S
            line.shipper.retry()
            line.settle()
        assert line.taken == list(range(1, shipped + 1))
        assert (line.shipper.waiting, line.shipper.spool, line.path.exists()) == (0, None, False)


def test_one_that_answers_at_once_is_sent_each_batch_once(tmp_path: Path) -> None:
    line = Line(tmp_path, at_once=True)
    for _ in range(5):
        line.ship()
        line.t_s += 100.0
    line.ship(last=True)
    assert line.sent == line.taken == [1, 2, 3, 4, 5, 6]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_acknowledged_is_sent_anew_in_order_after_a_while(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for _ in range(3):
        line.ship()
    line.t_s = RESEND_S - 0.001
    line.shipper.retry()
    assert line.sent == [1, 2, 3]
    line.t_s = RESEND_S
    line.shipper.retry()
    line.shipper.retry()
    assert line.sent == [1, 2, 3, 1], "the others would come before their turn"
    line.t_s = RESEND_S + 1
    line.shipper.acknowledge(0)
    assert line.sent[4:] == [], "which says nothing"
    line.shipper.acknowledge(1)
    assert line.sent[4:] == [2, 3], "the way is free"
    line.shipper.acknowledge(2)
    line.t_s = 2 * RESEND_S
    line.shipper.retry()
    assert line.sent[6:] == [], "it is heard: what follows has time"
    line.t_s = 2 * RESEND_S + 1
    line.shipper.retry()
    assert line.sent[6:] == [3]


def test_the_last_goes_with_all_that_may_be_missing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.ship()
    line.ship()
    line.arrive(lost=True)
    line.settle()
    assert line.taken == []
    line.ship(last=True)
    line.settle()
    assert line.sent == [1, 2, 1, 2, 3]
    assert (line.taken, line.shipper.waiting) == ([1, 2, 3], 0)


def test_it_is_on_disk_after_a_longer_while_and_until_all_is_acknowledged(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.ship()
    line.t_s = SPOOL_S - 0.001
    line.ship()
    assert (line.spooled(), line.shipper.spool) == ([], None)
    line.t_s = SPOOL_S
    line.shipper.retry()
    assert (line.spooled(), line.shipper.spool) == ([1, 2], line.path)
    line.ship()
    assert line.spooled() == [1, 2, 3], "from then on at once"
    line.shipper.acknowledge(2)
    line.ship()
    assert line.spooled() == [1, 2, 3, 4]
    line.shipper.acknowledge(4)
    assert (line.path.exists(), line.shipper.spool) == (False, None)
    line.ship()
    assert not line.path.exists()
    line.t_s += SPOOL_S
    line.ship()
    assert line.spooled() == [5, 6]


def test_an_acknowledgement_that_is_late_says_nothing_new(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for _ in range(3):
        line.ship()
    line.shipper.acknowledge(2)
    line.t_s = 2.0
    for seq in (0, 1, 2):
        line.shipper.acknowledge(seq)
    assert line.unacknowledged() == [3]
    line.t_s = RESEND_S
    line.shipper.retry()
    assert line.sent == [1, 2, 3, 3], "nor that it is heard"


def test_after_one_that_cannot_be_sent_the_others_are_not_tried(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.cut = True
    line.ship()
    line.ship()
    assert line.sent == [1, 2]
    line.t_s = SPOOL_S
    line.shipper.retry()
    assert line.sent == [1, 2, 1]
    assert line.spooled() == [1, 2]
    line.cut = False
    line.t_s += RESEND_S
    line.shipper.retry()
    line.settle()
    assert (line.taken, line.spooled()) == ([1, 2], [])


def test_what_is_about_to_be_lost_is_kept_when_asked(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.shipper.keep()
    assert not line.path.exists(), "there is nothing to keep"
    line.ship()
    line.shipper.keep()
    line.shipper.keep()
    assert line.spooled() == [1]


def test_where_there_is_no_room_batches_wait_in_memory(tmp_path: Path) -> None:
    line = Line(tmp_path)
    (tmp_path / "deep").write_text("in the way")
    line.ship()
    line.shipper.keep()
    assert line.shipper.spool is None
    (tmp_path / "deep").unlink()
    line.shipper.keep()
    assert line.spooled() == [1]
    assert line.shipper._journal is not None
    with full_disk(line.shipper._journal):
        line.ship()
        line.ship()
    assert line.spooled() == [1]
    line.ship()
    assert line.spooled() == [1, 2, 3, 4]


def test_a_spool_that_could_not_be_begun_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("reporting.shipper.Journal.add", full)
        line.ship()
        line.shipper.keep()
    assert not line.path.exists()
    line.shipper.keep()
    assert line.spooled() == [1]


def test_a_batch_is_what_it_was_when_it_was_shipped(tmp_path: Path) -> None:
    line = Line(tmp_path)
    player = Player("w-1")
    player.state = Health(missed_starts=1)
    line.shipper.ship(player.gatherer.batch())
    player.state.missed_starts = 2
    assert line.there[0]["health"]["missed_starts"] == 1
