"""Turn-taking: what a talker says in a session, and when, by its plan; what it does while the assistant speaks, or does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from audio import Clip
from metrics.records import TurnKind
from metrics.tracker import Tracker
from scenarios import TurnPlan
from users.clock import SECOND_NS, now_ns
from users.prepared import PreparedClip
from users.run import Run
from users.session import Session

_RETRY_AUDIBLE_NS = SECOND_NS // 10
"""How long a talker waits with a planned barge-in that falls into a gap of the assistant's speech."""


class TurnTaking:
    """Of one session of a talker. `turns`: how many are to be taken in it; `next_turn`: number of the turn that the talker plans next.

    `patience_s`: how long the talker waits for an answer; None: without end. `stopping` tells whether it is to leave at the end of its
    turn; `tell` is called when turns may have ended."""

    def __init__(
        self,
        run: Run,
        talker: int,
        session: Session,
        turns: int,
        patience_s: float | None,
        next_turn: int,
        stopping: Callable[[], bool],
        tell: Callable[[Session], None],
    ) -> None:
        self.next_turn = next_turn
        self._run = run
        self._talker = talker
        self._session = session
        self._turns = turns
        self._patience_s = patience_s
        self._stopping = stopping
        self._tell = tell
        self._thinking = False

    def think_no_longer(self) -> None:
        """Wake the talker where it thinks: it is to leave."""
        if self._thinking:
            self._session.wake.set()

    def converse(self) -> bool:
        """Take turns until the call has had as many as planned, or the run stops; False: the talker has lost its patience before. Raises
        RemoteError where the session ends."""
        session = self._session
        self._hear_greeting()
        while session.turns_begun < self._turns and not self._stopping():
            plan = self._plan()
            self._think(plan.think_s)
            if self._stopping():
                return True
            session.speak(TurnKind.UTTERANCE, self.next_turn - 1, self._prepared(plan.utterance))
            if not self._listen(plan):
                session.give_up()
                return False
        return True

    def _hear_greeting(self) -> None:
        """Wait for the assistant to greet the talker, as long as that is worth, and hear it out; no longer than an answer may take to begin
        or to go on."""
        session, limits = self._session, self._run.scenario.limits
        if not limits.greeting_s:
            return
        patience_ns = now_ns() + round(limits.greeting_s * SECOND_NS)
        longest_ns = patience_ns + round((limits.response_s + limits.stall_s) * SECOND_NS)
        while not self._stopping():
            session.check()
            t_ns, tracker = now_ns(), session.tracker
            tracker.poll(t_ns)
            over_ns = tracker.heard_out_ns
            if t_ns >= (longest_ns if over_ns is None else over_ns or patience_ns):
                return
            session.wake.wait(_RETRY_AUDIBLE_NS / SECOND_NS)
            session.wake.clear()

    def _listen(self, plan: TurnPlan) -> bool:
        """Listen to the answer, and to those that the talker's own interruptions bring about, until it is quiet again; False: until the
        talker has lost its patience."""
        session = self._session
        stall_ns = round(self._run.scenario.limits.stall_s * SECOND_NS)
        while True:
            session.check()
            t_ns, tracker = now_ns(), session.tracker
            tracker.poll(t_ns)
            self._tell(session)
            deadline_ns = tracker.deadline_ns()
            if deadline_ns is None:
                return True
            given_up_ns = self._given_up_ns(tracker)
            if given_up_ns is not None and t_ns >= given_up_ns:
                return False
            planned_ns = _planned_ns(tracker, plan)
            if planned_ns is not None and t_ns >= planned_ns:
                after = self._interrupt(plan) if session.microphone.idle else None
                if after is not None:
                    plan = after
                    continue
                planned_ns = t_ns + _RETRY_AUDIBLE_NS
            until_ns = min(deadline_ns, t_ns + stall_ns)  # what opens meanwhile wakes nobody, and is given up no sooner than that
            for instant_ns in (planned_ns, given_up_ns):
                until_ns = until_ns if instant_ns is None else min(until_ns, instant_ns)
            session.wake.wait(max(0.0, (until_ns - now_ns()) / SECOND_NS))
            session.wake.clear()

    def _interrupt(self, plan: TurnPlan) -> TurnPlan | None:
        """Do what the plan has for this instant of the answer, if the assistant will be audible when the talker's speech begins.

        Returns the plan for what follows; None where the assistant will not be audible, and nothing was said.
        """
        session = self._session
        alarm = plan.false_alarm_after_s is not None
        following = plan if alarm else self._run.planner.turn(self._talker, self.next_turn)
        clip = self._prepared(plan.false_alarm if alarm else following.interruption)
        if not session.tracker.audible_at(session.microphone.onset_if_spoken_now(clip)):
            return None
        if alarm:
            session.speak(TurnKind.FALSE_ALARM, self.next_turn - 1, clip, plan.false_alarm_after_s)
            return replace(plan, false_alarm_after_s=None)
        self.next_turn += 1
        session.speak(TurnKind.BARGE_IN, self.next_turn - 1, clip, plan.barge_in_after_s)
        last = session.turns_begun >= self._turns or self._stopping()
        return replace(following, barge_in_after_s=None, false_alarm_after_s=None) if last else following

    def _given_up_ns(self, tracker: Tracker) -> int | None:
        """When the talker hangs up if it hears no answer before; None where it does not, or hears one."""
        waiting_ns = tracker.waiting_since_ns
        return None if self._patience_s is None or waiting_ns is None else waiting_ns + round(self._patience_s * SECOND_NS)

    def _prepared(self, clip: Clip) -> PreparedClip:
        """The clip as this talker says it, in the noise around it."""
        return self._run.prepared.clip(clip, self._run.planner.role(self._talker).background)

    def _plan(self) -> TurnPlan:
        plan = self._run.planner.turn(self._talker, self.next_turn)
        self.next_turn += 1
        return plan

    def _think(self, seconds: float) -> None:
        """Think, unless the run stops or the session ends."""
        session = self._session
        until_ns = now_ns() + round(seconds * SECOND_NS)
        self._thinking = True
        try:
            while not self._stopping():
                session.check()
                left_s = (until_ns - now_ns()) / SECOND_NS
                if left_s <= 0:
                    return
                session.wake.wait(left_s)
                session.wake.clear()
        finally:
            self._thinking = False


def _planned_ns(tracker: Tracker, plan: TurnPlan) -> int | None:
    """When the talker means to speak into the assistant's answer; None where it does not, or the answer is not heard yet."""
    after_s = plan.barge_in_after_s if plan.false_alarm_after_s is None else plan.false_alarm_after_s
    answer = tracker.answer
    if after_s is None or answer is None or answer.first_audible_ns is None or not tracker.answered:
        return None
    return answer.first_audible_ns + round(after_s * SECOND_NS)
