"""Turns: what becomes of a committed utterance: transcript, then, where wanted, a response.

One response at a time in a session; turns that come meanwhile wait in line.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

from assistant.call import Call
from assistant.ears import Heard
from assistant.responder import SECOND_NS, Fault, Plan, Responder
from assistant.truth import BargeInTruth, ResponseTruth

FAULT_ORDER: tuple[Fault, ...] = ("rate_limit", "asr", "llm", "tts")


@dataclass(slots=True, eq=False)
class BargeIn:
    """An utterance that began while `host` was being sent or heard. `spared`: the assistant let its response go on."""

    truth: BargeInTruth
    host: Responder
    was_done: bool
    spared: bool

    def settled(self) -> BargeInTruth:
        """The record, once the host has ended."""
        host, truth = self.host.truth, self.truth
        since_ns = truth.onset_ns if truth.onset_ns is not None else truth.detected_ns
        if host.last_audio_ns is not None and host.last_audio_ns > since_ns:
            truth.stopped_ns = host.last_audio_ns
        if host.reason == "client_cancelled":
            truth.reaction = "client_cancelled"
        elif self.was_done:
            truth.reaction = "already_generated"
        elif host.status == "cancelled":
            truth.reaction = "cancelled"
        else:
            truth.reaction = "none" if self.spared or host.status is None else "already_generated"
        return truth


@dataclass(slots=True, eq=False)
class Turn:
    """One committed utterance, or one response that the client asked for without any (`item_id` None)."""

    truth: ResponseTruth
    heard: list[Heard] = field(default_factory=list)
    heard_s: float = 0.0
    wants_answer: bool = True
    barge_in: BargeIn | None = None
    responder: Responder | None = None
    task: asyncio.Task[None] | None = None
    metadata: dict[str, Any] | None = None
    finished: bool = False


class Turns:
    """The turns of one session."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._line = asyncio.Lock()
        self._waiting: list[Turn] = []  # committed, not answered yet
        self._loose: list[BargeIn] = []  # became no turn, and their hosts have not ended
        self.active: Turn | None = None
        self.latest: Responder | None = None
        self.count = 0
        self._has_slot = False  # that belongs to the session

    @property
    def responder(self) -> Responder | None:
        """The response under way."""
        return self.active.responder if self.active else None

    def host_at(self, instant_ns: int) -> Responder | None:
        """The response that is under way, or that a listener still heard at that instant."""
        if self.responder is not None:
            return self.responder
        latest = self.latest
        if latest is None or latest.heard_until_ns is None or latest.heard_until_ns <= instant_ns:
            return None
        ended_ns = latest.truth.done_ns or 0
        return latest if latest.truth.status == "completed" or ended_ns > instant_ns else None

    def begin(self, turn: Turn) -> None:
        """Takes a committed utterance."""
        turn.truth.turn = self.count
        self.count += 1
        self._call.truth.turns += 1
        self._call.hub.exposition.turns.labels("user").inc()
        self._waiting.append(turn)
        turn.task = self._call.spawn(self._run(turn))

    def request(self, metadata: dict[str, Any] | None = None) -> bool:
        """response.create: answers the last unanswered turn, else speaks unasked. False: a response is under way.
        `metadata` comes back with the response."""
        if self.active is not None:
            return False
        turn = self._waiting[-1] if self._waiting else None
        if turn is None:
            turn = Turn(ResponseTruth(self._call.session_id, self._call.client, self.count))
            self.count += 1
            self._waiting.append(turn)
        elif turn.wants_answer:
            return False
        turn.wants_answer, turn.metadata = True, metadata
        if turn.task is None or turn.task.done():
            turn.task = self._call.spawn(self._respond(turn))
        return True

    def supersede(self) -> None:
        """The user speaks again: turns that have no response yet never get one."""
        for turn in list(self._waiting):
            turn.truth.reason = "turn_detected"
            turn.truth.status = "cancelled"
            if turn.task is not None:
                turn.task.cancel()
            self._finish(turn)

    def stop(self, host: Responder) -> None:
        """The user has interrupted: ends the response, and what was sent of it is not to be played any more."""
        host.interrupt("turn_detected")
        self._call.emit("output_audio_buffer.cleared", response_id=host.plan.response_id)

    def settle(self, barge_in: BargeIn) -> None:
        """Takes a barge-in that became no turn; its record is written once its host has ended."""
        if barge_in.host.phase == "done":
            self._call.hub.truth.write(barge_in.settled())
        else:
            self._loose.append(barge_in)

    async def _run(self, turn: Turn) -> None:
        await self._transcribe(turn)
        if turn.wants_answer:
            await self._respond(turn)

    async def _transcribe(self, turn: Turn) -> None:
        call, truth, profile = self._call, turn.truth, self._call.hub.profile
        rng = call.rng("asr", truth.turn)
        assert truth.committed_ns is not None
        delay_s = profile.asr.delay.sample(rng)
        due_ns = truth.committed_ns + round(delay_s * SECOND_NS)
        await asyncio.sleep(max(0.0, (due_ns - monotonic_ns()) / SECOND_NS))
        said = " ".join(heard.clip.transcript for heard in turn.heard if not heard.is_false_alarm)
        said = said or " ".join(heard.clip.transcript for heard in turn.heard).strip()
        truth.transcript = garbled(said, profile.asr.word_error_rate, rng)
        if call.settings.transcribes:
            self._emit_transcript(turn, truth.transcript)
        if rng.random() < profile.failures.drop_session:
            call.aborted.set()
        await call.outbox.flush()
        call.hub.exposition.observe_stage("asr", (monotonic_ns() - truth.committed_ns) / SECOND_NS)

    def _emit_transcript(self, turn: Turn, transcript: str) -> None:
        call, truth = self._call, turn.truth
        kind = "conversation.item.input_audio_transcription"
        where = {"item_id": truth.item_id, "content_index": 0}
        if self._fault(truth.turn) == "asr":
            error = {"type": "transcription_error", "code": "asr_error", "message": "The speech recogniser failed."}
            call.emit(f"{kind}.failed", **where, error=error)
            return
        assert truth.item_id is not None
        call.conversation.words += len(transcript.split())
        call.conversation.transcribe(truth.item_id, transcript)
        if transcript:
            call.emit(f"{kind}.delta", **where, delta=transcript)
        usage = {"type": "duration", "seconds": round(turn.heard_s, 3)}
        truth.transcribed_ns = call.emit(f"{kind}.completed", **where, transcript=transcript, usage=usage)

    def _fault(self, turn: int) -> Fault | None:
        failures, rng = self._call.hub.profile.failures, self._call.rng("fault", turn)
        drawn = {stage: rng.random() < getattr(failures, stage) for stage in FAULT_ORDER}
        return next((stage for stage in FAULT_ORDER if drawn[stage]), None)

    async def _respond(self, turn: Turn) -> None:
        call, truth = self._call, turn.truth
        try:
            if call.rng("no_answer", truth.turn).random() < call.hub.profile.failures.no_answer:
                truth.status, truth.reason = "none", "no_answer"
                return
            async with self._line, self._slot():
                responder = Responder(self._plan(turn), call.wire, call.outbox, call.conversation, truth, call.book.spoken)
                self._waiting.remove(turn)
                self.active, self.latest, turn.responder = turn, responder, responder
                if turn.barge_in is not None:
                    turn.barge_in.truth.answer_response_id = responder.plan.response_id
                try:
                    await responder.run()
                finally:
                    self.active = None
        finally:
            self._finish(turn)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """A slot to make a response with: the session's own, where it has one."""
        slots = self._call.hub.slots
        if not self._has_slot:
            await slots.take()
            self._has_slot = slots.kept
        try:
            yield
        finally:
            if not slots.kept:
                slots.give_back()

    def _plan(self, turn: Turn) -> Plan:
        call, profile, number = self._call, self._call.hub.profile, turn.truth.turn
        answer = call.book.choose(call.rng("answer", number))
        turn.truth.answer_clip = answer.clip
        slowdown = 1.0 + profile.capacity.slowdown_per_session * max(0, len(call.hub.sessions) - 1)
        gap = call.rng("gap", number)
        with_gap, gap_s = gap.random() < profile.gaps.rate, profile.gaps.silence_s.sample(gap)
        return Plan(
            response_id=call.fresh_id("resp"),
            item_id=call.fresh_id("item"),
            answer=answer,
            llm_delay_s=profile.llm.delay.sample(call.rng("llm", number)) * slowdown,
            tts_delay_s=profile.tts.delay.sample(call.rng("tts", number)),
            pace=None if profile.pace == "burst" else profile.pace,
            chunk_s=profile.chunk_ms / 1000,
            fault=self._fault(number),
            gap_after_s=profile.gaps.after_s if with_gap else None,
            gap_s=gap_s,
            heard_s=turn.heard_s,
            voice=call.settings.voice,
            metadata=turn.metadata,
        )

    def _finish(self, turn: Turn) -> None:
        """Writes what became of a turn, once."""
        if turn.finished:
            return
        turn.finished = True
        call, truth = self._call, turn.truth
        if turn in self._waiting:
            self._waiting.remove(turn)
        for heard in turn.heard[:1]:
            truth.clip = heard.clip.name
            truth.speech_onset_ns, truth.speech_offset_ns = heard.onset_ns, turn.heard[-1].offset_ns
        responder = turn.responder
        if responder is not None and truth.status is None:
            truth.underruns = responder.listener.underruns
            truth.underrun_s = responder.listener.underrun_ns / SECOND_NS
        if truth.status is None:
            truth.reason = "session_closed"
        call.hub.truth.write(truth)
        if turn.barge_in is not None:
            call.hub.truth.write(turn.barge_in.settled())
        for loose in [one for one in self._loose if one.host is responder]:
            self._loose.remove(loose)
            call.hub.truth.write(loose.settled())
        self._count(truth)
        call.hub.turn_over()

    def _count(self, truth: ResponseTruth) -> None:
        shown = self._call.hub.exposition
        if truth.created_ns is not None:
            shown.turns.labels("assistant").inc()
            if truth.first_token_ns is not None:
                shown.observe_stage("llm", (truth.first_token_ns - truth.created_ns) / SECOND_NS)
                if truth.first_audio_ns is not None:
                    shown.observe_stage("tts", (truth.first_audio_ns - truth.first_token_ns) / SECOND_NS)
        if truth.status == "failed":
            shown.errors.labels(truth.reason or "failed").inc()

    def close(self) -> None:
        """The session is over and its tasks have ended: writes the turns that nobody answered, and lets go of its slot."""
        if self._has_slot:
            self._has_slot = False
            self._call.hub.slots.give_back()
        for turn in list(self._waiting):
            self._finish(turn)
        for barge_in in self._loose:
            self._call.hub.truth.write(barge_in.settled())


def garbled(text: str, rate: float, rng: random.Random) -> str:
    """`text` with a share `rate` of its words wrong: replaced by their reverse, dropped or doubled."""
    words: list[str] = []
    for word in text.split():
        if rng.random() >= rate:
            words.append(word)
            continue
        words += rng.choice(([word[::-1] + "a"], [], [word, word]))
    return " ".join(words)
