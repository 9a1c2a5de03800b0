"""Who has the floor: what the assistant makes of speech that it hears, above all while it speaks itself.

speech starts, the assistant silent     -> a new utterance
speech starts, a response under way     -> a barge-in: the response stops, unless the assistant is deaf this time
a backchannel or noise                  -> a false alarm: ignored, or mistaken (the audio pauses), or answered as a turn
speech stops                            -> the utterance is committed and becomes a turn; a false alarm does not
"""

from __future__ import annotations

from assistant.alarms import FalseAlarms
from assistant.call import Call
from assistant.ears import SHORT_SPEECH_S, Event, Heard, Joined, Started, Stopped, Unnoticed
from assistant.items import heard_part, message_item
from assistant.truth import BargeInTruth, ResponseTruth
from assistant.turns import BargeIn, Turn, Turns
from assistant.utterance import Utterance


class Floor:
    """Turn-taking of one session."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.turns = Turns(call)
        self._alarms = FalseAlarms(call, self.turns)
        self._utterance: Utterance | None = None
        self._barge_ins = 0
        self._utterances = 0

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
                    self._alarms.unnoticed(event.heard)

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
            self._alarms.begin(utterance)
        else:
            self._real(utterance)

    def _joined(self, heard: Heard) -> None:
        utterance = self._utterance
        if utterance is None:
            return
        if utterance.action is not None and not heard.is_false_alarm:
            self._alarms.overtaken(utterance)
            utterance.heard = [heard]
            self._real(utterance)
        else:
            utterance.heard.append(heard)

    def _real(self, utterance: Utterance) -> None:
        """Somebody really speaks: interrupts what is under way."""
        call, detection = self._call, self._call.turn_detection
        started_ns = utterance.announce(call)
        onset_ns = utterance.onset_ns
        host, active = self.turns.host_at(onset_ns or started_ns), self.turns.responder
        interrupts = detection is not None and detection.interrupt_response
        if host is None:
            if interrupts:
                self.turns.supersede()
            return
        number = self._barge_ins
        self._barge_ins += 1
        rng = call.rng("barge_in", number)
        deaf = rng.random() < call.hub.profile.interruption.ignore_rate
        spared = (deaf or not interrupts) and not host.held
        clip = utterance.heard[0].clip.name if utterance.heard else None
        truth = BargeInTruth(call.session_id, call.client, host.plan.response_id, clip, onset_ns, detected_ns=started_ns)
        utterance.barge_in = BargeIn(truth, host, was_done=active is None, spared=spared)
        call.hub.exposition.interruptions.inc()
        if not spared:
            self.turns.supersede()
            delay_s = 0.0 if host.held else call.hub.profile.interruption.stop_delay_s.sample(rng)
            call.later(delay_s, lambda: self.turns.stop(host))

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
        utterance.ending = self._call.later(extra_s, lambda: self._end(utterance, event))

    def _end(self, utterance: Utterance, stopped: Stopped) -> None:
        """The utterance is over: a turn, or nothing."""
        call = self._call
        self._utterance = None
        self._utterances += 1
        stopped_ns = utterance.announce_end(call)
        if utterance.action in ("ignored", "mistaken"):
            call.ears.commit()
            self._alarms.end(utterance)
            return
        if utterance.action == "answered":
            self._alarms.write(utterance, "answered")
        elif utterance.unheard and not self._is_turn(utterance, stopped):
            call.ears.commit()
            return
        create = call.turn_detection.create_response if call.turn_detection else False
        self._commit(utterance, stopped_ns, wants_answer=create)

    def _is_turn(self, utterance: Utterance, stopped: Stopped) -> bool:
        """Whether an utterance that was recognised late or never is a turn; it has interrupted what there was already."""
        heard = utterance.heard[0] if utterance.heard else None
        speech_s = (stopped.sample - utterance.start) / self._call.wire.input.rate
        barge_in = utterance.barge_in
        false_alarm = heard.is_false_alarm if heard is not None else speech_s < SHORT_SPEECH_S
        if barge_in is not None:
            barge_in.truth.clip = heard.clip.name if heard is not None else None
            barge_in.truth.onset_ns = utterance.onset_ns
            if false_alarm:
                utterance.barge_in, utterance.host = None, barge_in.host
                self._alarms.write(utterance, "answered")
        return not (heard is not None and false_alarm and barge_in is None)

    def _commit(self, utterance: Utterance, stopped_ns: int | None, *, wants_answer: bool) -> None:
        call = self._call
        truth = ResponseTruth(call.session_id, call.client, 0, item_id=utterance.item_id)
        truth.speech_started_ns, truth.speech_stopped_ns = utterance.started_ns, stopped_ns
        heard_s = call.ears.buffered_s
        if utterance.stopped is not None:
            heard_s = min(heard_s, (utterance.stopped.decided - utterance.stopped.start) / call.wire.input.rate)
        call.ears.commit()
        item = message_item(utterance.item_id, "user", "completed", [heard_part(None)])
        previous = call.conversation.append(item)
        where = {"item_id": utterance.item_id, "previous_item_id": previous}
        truth.committed_ns = call.emit("input_audio_buffer.committed", **where)
        call.emit("conversation.item.added", previous_item_id=previous, item=item)
        call.emit("conversation.item.done", previous_item_id=previous, item=item)
        turn = Turn(truth, utterance.heard, heard_s, wants_answer=wants_answer, barge_in=utterance.barge_in)
        self.turns.begin(turn)

    # What the client does

    def commit(self) -> None:
        """input_audio_buffer.commit: the buffer becomes a turn that waits for response.create."""
        call, utterance = self._call, self._utterance
        if utterance is None:
            utterance = Utterance(call.fresh_id("item"), call.ears.buffer_start)
            last = call.ears.last_heard
            if last is not None and last.onset_sample >= call.ears.buffer_start:
                utterance.heard.append(last)
        else:
            self._drop(utterance)
        self._commit(utterance, None, wants_answer=False)

    def forget(self) -> None:
        """The buffer was cleared or the turn detection changed: speech under way is dropped."""
        utterance = self._utterance
        if utterance is not None:
            self._drop(utterance)
            if utterance.barge_in is not None:
                self.turns.settle(utterance.barge_in)

    def _drop(self, utterance: Utterance) -> None:
        """The utterance ends here; a false alarm still does what it was to do."""
        self._utterance = None
        if utterance.ending is not None:
            utterance.ending.cancel()
        if utterance.action is not None:
            self._alarms.end(utterance)

    def close(self) -> None:
        """The session is over: writes what was not final."""
        utterance = self._utterance
        self._alarms.close(utterance)
        if utterance is not None and utterance.barge_in is not None:
            self.turns.settle(utterance.barge_in)
        self.turns.close()
