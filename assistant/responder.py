"""One response: its events in their order, its delays, its pace, and what may happen to it on the way.

Instants in the truth are taken just before the event is handed to the connection. Chunk k is due at start + k x chunk / pace,
whatever happened before; only a planned gap or a pause moves the timetable.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Literal

from assistant.answers import Answer
from assistant.conversation import Conversation, Entry
from assistant.items import message_item, spoken_part
from assistant.outbox import Outbox
from assistant.truth import Listener, ResponseTruth
from assistant.usage import Usage
from assistant.wires.base import Format, Wire

SECOND_NS = 1_000_000_000
EARLY_NS = 400_000  # uvloop's timers count whole milliseconds: what is left within this is now
BURST_CHUNKS = 8  # sent in one go before the event loop gets its turn

Reason = Literal["turn_detected", "client_cancelled"]
Fault = Literal["asr", "llm", "tts", "rate_limit"]
FAULTS = {
    "asr": ("asr_error", "The speech recogniser failed."),
    "llm": ("server_error", "The model failed."),
    "tts": ("tts_error", "The speech synthesiser failed."),
    "rate_limit": ("rate_limit_exceeded", "Rate limit reached for this model."),
}


class _StoppedError(Exception):
    """The response was interrupted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is drawn beforehand for one response. `pace` None: as fast as the connection takes it. `gap_after_s` None:
    no gap; else the listener hears `gap_s` of silence once that much audio has been sent."""

    response_id: str
    item_id: str
    answer: Answer
    llm_delay_s: float
    tts_delay_s: float
    pace: float | None
    chunk_s: float
    fault: Fault | None = None
    gap_after_s: float | None = None
    gap_s: float = 0.0
    heard_s: float = 0.0
    voice: str = "marin"
    metadata: dict[str, Any] | None = None


class Responder:
    """Runs one plan. `phase` tells how far it is: created, speaking (audio is being sent), done."""

    def __init__(self, plan: Plan, wire: Wire, outbox: Outbox, conversation: Conversation, truth: ResponseTruth, spoken: Format) -> None:
        self.plan = plan
        self.truth = truth
        self.listener = Listener()
        self.phase: Literal["waiting", "created", "speaking", "done"] = "waiting"
        self.held = False
        self._wire = wire
        self._outbox = outbox
        self._conversation = conversation
        self._rate = spoken.rate
        self._sample_bytes = len(spoken.silence)
        self._stop: Reason | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._base_ns = 0
        self._next = 0  # index of the next chunk
        self._gap_begun = False
        self._opened = False  # the output item is announced
        self._entry: Entry | None = None
        who = plan.response_id, plan.item_id
        self._audio_frame = wire.delta_frame("response.output_audio.delta", *who)
        self._text_frame = wire.delta_frame("response.output_audio_transcript.delta", *who)
        self._ids = {"response_id": plan.response_id, "item_id": plan.item_id, "output_index": 0, "content_index": 0}

    @property
    def unsent_s(self) -> float:
        """Audio not yet sent."""
        return (self.plan.answer.total_samples - self.truth.audio_samples) / self._rate

    @property
    def heard_until_ns(self) -> int | None:
        """Until when a listener plays what was sent; None before the first chunk."""
        return self.listener.playing_until_ns

    def interrupt(self, reason: Reason) -> None:
        """Ends the response at once; nothing happens where it is done."""
        if self.phase != "done" and self._stop is None:
            self._stop = reason
            self._wake()

    def hold(self) -> None:
        """Stops sending audio until resume()."""
        self.held = True

    def resume(self) -> None:
        """Goes on with the next chunk now."""
        if self.held:
            self.held = False
            self._base_ns += max(0, monotonic_ns() - self._due_ns(self._next))
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _until(self, due_ns: int) -> None:
        """Returns at `due_ns`, later where held; raises _StoppedError where interrupted before."""
        while self._stop is None:
            left_ns = due_ns - monotonic_ns()
            if left_ns <= EARLY_NS and not self.held:
                return
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(left_ns / SECOND_NS, self._wake) if left_ns > 0 else None
            try:
                await self._waiter
            finally:
                if timer is not None:
                    timer.cancel()
        raise _StoppedError

    async def run(self) -> None:
        """Sends everything from response.created to response.done. Cancelling the task sends nothing more."""
        details: dict[str, Any] | None
        try:
            await self._create()
            await self._think()
            await self._speak()
            status, details = "completed", None
        except _StoppedError:
            status, details = "cancelled", {"type": "cancelled", "reason": self._stop}
            self.truth.reason, self.truth.interrupted = self._stop, True
        except _FaultError as error:
            code, message = FAULTS[error.stage]
            status = "failed"
            details = {"type": "failed", "error": {"type": error.kind, "code": code, "message": message}}
            self.truth.reason = code
        self._close(status, details)
        await self._outbox.flush()

    async def _create(self) -> None:
        self.phase = "created"
        self.truth.response_id = self.plan.response_id
        self._emit("response.created", response=self._response("in_progress"))
        self.truth.created_ns = monotonic_ns()
        await self._outbox.flush()
        if self.plan.fault in ("rate_limit", "asr"):
            raise _FaultError(self.plan.fault)

    async def _think(self) -> None:
        assert self.truth.created_ns is not None
        await self._until(self.truth.created_ns + round(self.plan.llm_delay_s * SECOND_NS))
        if self.plan.fault == "llm":
            raise _FaultError("llm")
        item = message_item(self.plan.item_id, "assistant", "in_progress", [])
        self._opened = True
        previous = self._conversation.append(item, audio_ms=0)
        self._entry = self._conversation.get(self.plan.item_id)
        self._emit("response.output_item.added", response_id=self.plan.response_id, output_index=0, item=item)
        self._emit("conversation.item.added", previous_item_id=previous, item=item)
        self._emit("response.content_part.added", **self._ids, part={"type": "audio", "transcript": ""})
        self._outbox.put(self._wire.text_delta(self._text_frame, self.plan.answer.first_text))
        self.truth.first_token_ns = monotonic_ns()
        await self._outbox.flush()

    async def _speak(self) -> None:
        assert self.truth.first_token_ns is not None
        self._base_ns = self.truth.first_token_ns + round(self.plan.tts_delay_s * SECOND_NS)
        await self._until(self._base_ns)
        if self.plan.fault == "tts":
            raise _FaultError("tts")
        self.phase = "speaking"
        answer, put = self.plan.answer, self._outbox.put
        for index, chunk in enumerate(answer.chunks):
            self._next = index
            await self._due(index)
            words = answer.texts[index]
            if words is not None:
                put(self._wire.text_delta(self._text_frame, words))
            put(self._wire.audio_delta(self._audio_frame, chunk))
            self._sent(monotonic_ns(), answer.samples[index])
            self._outbox.counts.audio_bytes_sent += self._sample_bytes * answer.samples[index]
            await self._outbox.flush()

    def _due_ns(self, index: int) -> int:
        """The timetable: when a chunk is to be sent."""
        if self.plan.pace is None:
            return self._base_ns
        return self._base_ns + round(index * self.plan.chunk_s * SECOND_NS / self.plan.pace)

    async def _due(self, index: int) -> None:
        """Waits for the instant of a chunk."""
        self._plan_gap()
        if self.plan.pace is None and index % BURST_CHUNKS == 0:
            await asyncio.sleep(0)
        await self._until(self._due_ns(index))

    def _plan_gap(self) -> None:
        """Moves the timetable where the planned gap begins with this chunk."""
        plan, until_ns = self.plan, self.listener.playing_until_ns
        sent_s = self.truth.audio_samples / self._rate
        if plan.gap_after_s is None or self._gap_begun or until_ns is None or sent_s < plan.gap_after_s:
            return
        resume_ns = until_ns + round(plan.gap_s * SECOND_NS)
        self._base_ns += max(0, resume_ns - self._due_ns(self._next))
        self._gap_begun = True

    def _sent(self, now_ns: int, samples: int) -> None:
        truth = self.truth
        self.listener.hear(now_ns, samples, self._rate)
        if truth.first_audio_ns is None:
            truth.first_audio_ns = now_ns
        truth.last_audio_ns = now_ns
        truth.gaps_injected = int(self._gap_begun)  # a gap that the response did not live to end is none
        truth.audio_samples += samples
        truth.chunks += 1
        if self._entry is not None:
            self._entry.audio_ms = truth.audio_samples * 1000 // self._rate

    def _close(self, status: str, details: dict[str, Any] | None) -> None:
        """The closers of what was opened, then response.done."""
        transcript = self.plan.answer.transcript if status == "completed" else self._said()
        output = []
        if self._opened:
            ids = self._ids
            part = {"type": "audio", "transcript": transcript}
            finished = "completed" if status == "completed" else "incomplete"
            item = message_item(self.plan.item_id, "assistant", finished, [spoken_part(transcript)])
            output.append(item)
            self._conversation.finish(item)
            self._emit("response.output_audio.done", **ids)
            self._emit("response.output_audio_transcript.done", **ids, transcript=transcript)
            self._emit("response.content_part.done", **ids, part=part)
            shown = self._wire.item(item)
            self._emit("conversation.item.done", item=shown)
            self._emit("response.output_item.done", response_id=self.plan.response_id, output_index=0, item=shown)
        usage = self._usage(len(transcript.split()))
        self._emit("response.done", response=self._response(status, details, output, usage))
        truth = self.truth
        truth.done_ns = monotonic_ns()
        truth.status = status
        truth.underruns = self.listener.underruns
        truth.underrun_s = self.listener.underrun_ns / SECOND_NS
        self.phase = "done"
        tokens = usage.text_in + usage.audio_in + usage.text_out + usage.audio_out
        self._outbox.put(self._wire.rate_limits(1, tokens))

    def _said(self) -> str:
        """The words sent so far."""
        if not self._opened:
            return ""
        texts = self.plan.answer.texts[: self.truth.chunks]
        return self.plan.answer.first_text + "".join(text for text in texts if text)

    def _usage(self, words: int) -> Usage:
        spoken_s = self.truth.audio_samples / self._rate
        self._conversation.words += words
        return Usage.of(history_words=self._conversation.words, heard_s=self.plan.heard_s, words=words, spoken_s=spoken_s)

    def _response(
        self,
        status: str,
        details: dict[str, Any] | None = None,
        output: list[dict[str, Any]] | None = None,
        usage: Usage | None = None,
    ) -> dict[str, Any]:
        return self._wire.response(
            self.plan.response_id,
            self._conversation.id,
            status,
            details=details,
            output=output,
            usage=usage,
            voice=self.plan.voice,
            metadata=self.plan.metadata,
        )

    def _emit(self, kind: str, **fields: Any) -> None:
        self._outbox.put(self._wire.event(kind, **fields))


class _FaultError(Exception):
    """A stage failed, by plan."""

    def __init__(self, stage: Fault) -> None:
        super().__init__(stage)
        self.stage: Fault = stage
        self.kind = "rate_limit_error" if stage == "rate_limit" else "server_error"
