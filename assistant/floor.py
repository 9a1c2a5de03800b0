"""Who has the floor: what the assistant makes of speech that it hears, above all while it speaks itself.

speech starts, the assistant silent     -> a new utterance
speech starts, a response under way     -> a barge-in: the response stops, unless the assistant is deaf this time
a backchannel or noise                  -> a false alarm: ignored, or mistaken (the audio pauses), or answered as a turn
speech stops                            -> the utterance is committed and becomes a turn; a false alarm does not
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Literal

from assistant.call import Call
from assistant.ears import SHORT_SPEECH_S, Event, Heard, Joined, Started, Stopped, Unnoticed
from assistant.responder import SECOND_NS, Responder
from assistant.settings import RATE
from assistant.truth import BargeInTruth, FalseAlarmTruth, ResponseTruth
from assistant.turns import BargeIn, Turn, Turns
from assistant.wire import heard_part, message_item

MIN_UNSENT_S = 1.5  # a pause is worth making only while this much audio is left to resume with

Action = Literal["ignored", "mistaken", "answered"]


@dataclass(slots=True, eq=False)
class Utterance:
    """Speech under way. `action` None: real speech."""

    item_id: str
    start: int
    heard: list[Heard] = field(default_factory=list)
    started_ns: int | None = None
    action: Action | None = None
    host: Responder | None = None
    barge_in: BargeIn | None = None
    resumes: bool = True
    pause: asyncio.TimerHandle | None = None
    paused_ns: int | None = None
    ending: asyncio.TimerHandle | None = None
    stopped: Stopped | None = None
    unheard: bool = False  # no clip matched exactly; `heard` is what matched by loudness, if anything


class Floor:
    """Turn-taking of one session."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.turns = Turns(call)
        self._utterance: Utterance | None = None
        self._barge_ins = 0
        self._false_alarms = 0
        self._utterances = 0
        self._resuming: list[Utterance] = []  # paused a response that is to go on

    def take(self, events: list[Event]) -> None:
        """Reacts to what the ears tell."""
        for event in events:
            match event:
                case Started():
                    self._started(event)
                case Joined():
                    self._joined(event.heard)
                case Stopped():
                    self._stopped(event)
                case Unnoticed():
                    self._unnoticed(event.heard)

    # Speech starts

    def _started(self, event: Started) -> None:
        utterance = self._utterance
        if utterance is not None:  # within the extra endpointing delay: the same utterance goes on
            if utterance.ending is not None:
                utterance.ending.cancel()
                utterance.ending = None
            if event.heard is not None and event.heard not in utterance.heard:
                self._joined(event.heard)
            return
        utterance = Utterance(self._call.fresh_id("item"), event.sample)
        self._utterance = utterance
        if event.heard is not None:
            utterance.heard.append(event.heard)
        if event.heard is not None and event.heard.is_false_alarm:
            self._false_alarm(utterance)
        else:
            self._real(utterance)

    def _joined(self, heard: Heard) -> None:
        utterance = self._utterance
        if utterance is None:
            return
        if utterance.action is not None and not heard.is_false_alarm:
            self._write_false_alarm(utterance, self._outcome(utterance))
            utterance.action = None
            utterance.heard = [heard]
            self._real(utterance)
        else:
            utterance.heard.append(heard)

    def _announce(self, utterance: Utterance) -> None:
        if utterance.started_ns is not None:
            return
        turns = self._call.turn_detection
        start_ms = utterance.start * 1000 // RATE - (turns.prefix_padding_ms if turns else 0)
        utterance.started_ns = self._call.emit(
            "input_audio_buffer.speech_started", audio_start_ms=max(0, start_ms), item_id=utterance.item_id
        )

    def _real(self, utterance: Utterance) -> None:
        """Somebody really speaks: interrupts what is under way."""
        call, detection = self._call, self._call.turn_detection
        self._announce(utterance)
        assert utterance.started_ns is not None
        if utterance.pause is not None:
            utterance.pause.cancel()
        onset_ns = self._onset_ns(utterance)
        host, active = self.turns.host_at(onset_ns or utterance.started_ns), self.turns.responder
        interrupts = detection is not None and detection.interrupt_response
        if host is None:
            if interrupts:
                self.turns.supersede()
            return
        number = self._barge_ins
        self._barge_ins += 1
        rng = call.rng("barge_in", number)
        deaf = rng.random() < call.hub.profile.interruption.ignore_rate and not host.held
        clip = utterance.heard[0].clip.name if utterance.heard else None
        truth = BargeInTruth(call.session_id, call.client, host.plan.response_id, clip, onset_ns, detected_ns=utterance.started_ns)
        spared = deaf or not interrupts
        utterance.barge_in = BargeIn(truth, host, was_done=active is None, spared=spared)
        call.hub.exposition.interruptions.inc()
        if not spared:
            self.turns.supersede()
            delay_s = 0.0 if host.held else call.hub.profile.interruption.stop_delay_s.sample(rng)
            call.later(delay_s, lambda: host.interrupt("turn_detected"))

    def _false_alarm(self, utterance: Utterance) -> None:
        """Decides what a backchannel or noise does to the assistant."""
        call, profile = self._call, self._call.hub.profile.false_alarm
        rng = call.rng("false_alarm", self._false_alarms)
        self._false_alarms += 1
        active = self.turns.responder
        utterance.host = self.turns.host_at(self._onset_ns(utterance) or monotonic_ns())
        detection = call.turn_detection
        interrupts = detection is not None and detection.interrupt_response
        drawn = rng.random()
        utterance.resumes = rng.random() < profile.resume_rate
        stop_delay_s = call.hub.profile.interruption.stop_delay_s.sample(rng)
        utterance.action = "ignored"
        if drawn < profile.answer_rate:
            utterance.action = "answered"
            self._announce(utterance)
            if interrupts:
                self.turns.supersede()
                if active is not None:
                    call.later(stop_delay_s, lambda: active.interrupt("turn_detected"))
        elif drawn < profile.answer_rate + profile.mistake_rate and interrupts and _can_pause(active):
            assert active is not None
            utterance.action = "mistaken"
            self._announce(utterance)
            utterance.pause = call.later(stop_delay_s, lambda: self._pause(utterance, active))
        elif profile.announce:
            self._announce(utterance)

    def _pause(self, utterance: Utterance, responder: Responder) -> None:
        if responder.phase == "speaking":
            responder.hold()
            utterance.paused_ns = responder.truth.last_audio_ns

    # Speech stops

    def _stopped(self, event: Stopped) -> None:
        utterance = self._utterance
        if utterance is None:
            return
        utterance.stopped = event
        if not utterance.heard or utterance.unheard:
            heard = self._call.ears.identify(utterance.start, event.sample)
            utterance.heard, utterance.unheard = [heard] if heard is not None else [], True
        extra_s = self._call.hub.profile.endpointing.extra.sample(self._call.rng("endpointing", self._utterances))
        utterance.ending = self._call.later(extra_s, lambda: self._end(utterance))

    def _end(self, utterance: Utterance) -> None:
        """The utterance is over: a turn, or nothing."""
        call, stopped = self._call, utterance.stopped
        assert stopped is not None
        self._utterance = None
        self._utterances += 1
        stopped_ns = None
        if utterance.started_ns is not None:
            stopped_ns = call.emit(
                "input_audio_buffer.speech_stopped",
                audio_end_ms=stopped.decided * 1000 // RATE,
                item_id=utterance.item_id,
            )
        if utterance.action in ("ignored", "mistaken"):
            call.ears.commit()
            self._let_pass(utterance)
            return
        if utterance.action == "answered":
            self._write_false_alarm(utterance, "answered")
        elif utterance.unheard and not self._is_turn(utterance, stopped):
            call.ears.commit()
            return
        create = call.turn_detection.create_response if call.turn_detection else False
        self._commit(utterance, stopped_ns, wants_answer=create)

    def _is_turn(self, utterance: Utterance, stopped: Stopped) -> bool:
        """Whether an utterance that was recognised late or never is a turn; it has interrupted what there was already."""
        heard = utterance.heard[0] if utterance.heard else None
        speech_s = (stopped.sample - utterance.start) / RATE
        barge_in = utterance.barge_in
        false_alarm = heard.is_false_alarm if heard is not None else speech_s < SHORT_SPEECH_S
        if barge_in is not None:
            barge_in.truth.clip = heard.clip.name if heard is not None else None
            barge_in.truth.onset_ns = heard.onset_ns if heard is not None else None
            if false_alarm:
                utterance.barge_in, utterance.host = None, barge_in.host
                self._write_false_alarm(utterance, "answered")
        return not (heard is not None and false_alarm and barge_in is None)

    def _commit(self, utterance: Utterance, stopped_ns: int | None, *, wants_answer: bool) -> None:
        call = self._call
        truth = ResponseTruth(call.session_id, call.client, 0, item_id=utterance.item_id)
        truth.speech_started_ns, truth.speech_stopped_ns = utterance.started_ns, stopped_ns
        heard_s = call.ears.buffered_s
        if utterance.stopped is not None:
            heard_s = min(heard_s, (utterance.stopped.decided - utterance.stopped.start) / RATE)
        call.ears.commit()
        item = message_item(utterance.item_id, "user", "completed", [heard_part(None)])
        previous = call.conversation.append(item)
        where = {"item_id": utterance.item_id, "previous_item_id": previous}
        truth.committed_ns = call.emit("input_audio_buffer.committed", **where)
        call.emit("conversation.item.added", previous_item_id=previous, item=item)
        call.emit("conversation.item.done", previous_item_id=previous, item=item)
        turn = Turn(truth, utterance.heard, heard_s, wants_answer=wants_answer, barge_in=utterance.barge_in)
        self.turns.begin(turn)

    # False alarms

    def _let_pass(self, utterance: Utterance) -> None:
        """A false alarm is over and was no turn."""
        host = utterance.host
        if utterance.action == "mistaken" and utterance.resumes and host is not None:
            rng = self._call.rng("resume", self._false_alarms)
            delay_s = self._call.hub.profile.false_alarm.resume_delay_s.sample(rng)
            self._resuming.append(utterance)
            self._call.later(delay_s, lambda: self._resume(utterance, host))
        else:
            self._write_false_alarm(utterance, self._outcome(utterance))

    def _outcome(self, utterance: Utterance) -> str:
        if utterance.action == "mistaken" and utterance.paused_ns is not None:
            return "cancelled" if utterance.resumes else "stuck"
        return "answered" if utterance.action == "answered" else "ignored"

    def _resume(self, utterance: Utterance, host: Responder) -> None:
        self._resuming.remove(utterance)
        if host.phase == "done" or not host.held:
            self._write_false_alarm(utterance, self._outcome(utterance))
            return
        now_ns, until_ns = monotonic_ns(), host.heard_until_ns
        host.resume()
        silence_s = max(0, now_ns - until_ns) / SECOND_NS if until_ns is not None else None
        self._write_false_alarm(utterance, "resumed", resumed_ns=now_ns, silence_s=silence_s)

    def _write_false_alarm(
        self, utterance: Utterance, action: str, *, resumed_ns: int | None = None, silence_s: float | None = None
    ) -> None:
        if utterance.host is None:
            return
        call, host = self._call, utterance.host
        heard = utterance.heard[0] if utterance.heard else None
        truth = FalseAlarmTruth(
            call.session_id,
            call.client,
            host.plan.response_id,
            heard.clip.name if heard else None,
            heard.onset_ns if heard else None,
            heard.offset_ns if heard else None,
            action,
            utterance.paused_ns,
            resumed_ns,
            silence_s,
        )
        if action == "answered" and host.truth.status == "cancelled":
            truth.paused_ns = host.truth.last_audio_ns
        call.hub.truth.write(truth)

    def _unnoticed(self, heard: Heard) -> None:
        host = self.turns.host_at(heard.onset_ns or monotonic_ns())
        if heard.is_false_alarm and host is not None:
            utterance = Utterance("", heard.start_sample, [heard], host=host)
            self._write_false_alarm(utterance, "not_heard")

    # What the client does

    def commit(self) -> None:
        """input_audio_buffer.commit: the buffer becomes a turn that waits for response.create."""
        call, utterance = self._call, self._utterance
        if utterance is None:
            utterance = Utterance(call.fresh_id("item"), call.ears.buffer_start)
            last = call.ears.last_heard
            if last is not None and last.onset_sample >= call.ears.buffer_start:
                utterance.heard.append(last)
        self._drop(utterance)
        self._commit(utterance, None, wants_answer=False)

    def forget(self) -> None:
        """The buffer was cleared or the turn detection changed: speech under way is dropped."""
        if self._utterance is not None:
            self._drop(self._utterance)

    def _drop(self, utterance: Utterance) -> None:
        self._utterance = None
        if utterance.ending is not None:
            utterance.ending.cancel()
        if utterance.host is not None and utterance.action == "mistaken":
            utterance.host.resume()

    def close(self) -> None:
        """The session is over: writes what was not final."""
        utterance = self._utterance
        for waiting in self._resuming:
            self._write_false_alarm(waiting, self._outcome(waiting))
        if utterance is not None:
            if utterance.action is not None:
                self._write_false_alarm(utterance, self._outcome(utterance))
            elif utterance.barge_in is not None:
                self._call.hub.truth.write(utterance.barge_in.settled())
        self.turns.close()

    def _onset_ns(self, utterance: Utterance) -> int | None:
        return utterance.heard[0].onset_ns if utterance.heard else None


def _can_pause(responder: Responder | None) -> bool:
    """Only audio that is being sent at a pace, and of which enough is left, can be paused."""
    if responder is None or responder.phase != "speaking" or responder.held or responder.plan.pace is None:
        return False
    return responder.unsent_s >= MIN_UNSENT_S
