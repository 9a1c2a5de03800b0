"""False alarms: what a backchannel or a noise does to the assistant while it is heard.

ignored    -> nothing happens, whatever is announced
mistaken   -> after the stop delay the audio pauses; it goes on a while after the false alarm, or never (stuck)
answered   -> taken for a turn: the response is cancelled, an answer made
"""

from __future__ import annotations

from time import monotonic_ns

from assistant.call import Call
from assistant.ears import Heard
from assistant.responder import SECOND_NS, Responder
from assistant.truth import FalseAlarmTruth
from assistant.turns import Turns
from assistant.utterance import Utterance

MIN_UNSENT_S = 1.5  # a pause is worth making only while this much audio is left to resume with


class FalseAlarms:
    """The false alarms of one session: decides, acts, and writes the truth of each once it is final."""

    def __init__(self, call: Call, turns: Turns) -> None:
        self._call = call
        self._turns = turns
        self._count = 0
        self._open: list[Utterance] = []  # over, but what they do to the audio is not

    def begin(self, utterance: Utterance) -> None:
        """Draws what the false alarm does, and does it."""
        call, profile = self._call, self._call.hub.profile.false_alarm
        rng = call.rng("false_alarm", self._count)
        self._count += 1
        active = self._turns.responder
        utterance.host = self._turns.host_at(utterance.onset_ns or monotonic_ns())
        interrupts = call.turn_detection is not None and call.turn_detection.interrupt_response
        drawn = rng.random()
        utterance.resumes = rng.random() < profile.resume_rate
        stop_delay_s = call.hub.profile.interruption.stop_delay_s.sample(rng)
        utterance.action = "ignored"
        if drawn < profile.answer_rate:
            utterance.action = "answered"
            utterance.announce(call)
            if interrupts:
                self._turns.supersede()
                if active is not None:
                    call.later(stop_delay_s, lambda: self._turns.stop(active))
        elif drawn < profile.answer_rate + profile.mistake_rate and interrupts and _can_pause(active):
            assert active is not None
            utterance.action = "mistaken"
            utterance.announce(call)
            utterance.pause = call.later(stop_delay_s, lambda: self._pause(utterance, active))
        elif profile.announce:
            utterance.announce(call)

    def _pause(self, utterance: Utterance, responder: Responder) -> None:
        utterance.pause = None
        if responder.phase == "speaking":
            responder.hold()
            utterance.paused_ns = responder.truth.last_audio_ns
        if utterance in self._open and not utterance.resumes:
            self._settle(utterance)

    def end(self, utterance: Utterance) -> None:
        """The speech of a false alarm is over, and it is no turn."""
        if utterance.action != "mistaken":
            self.write(utterance, _outcome(utterance))
            return
        self._open.append(utterance)
        if utterance.resumes:
            rng = self._call.rng("resume", self._count)
            delay_s = self._call.hub.profile.false_alarm.resume_delay_s.sample(rng)
            self._call.later(delay_s, lambda: self._resume(utterance))
        elif utterance.pause is None:  # else the pause is still to come
            self._settle(utterance)

    def overtaken(self, utterance: Utterance) -> None:
        """Somebody really speaks in the same breath: it is no false alarm any more."""
        utterance.cancel_timers()
        self.write(utterance, _outcome(utterance))
        utterance.action = None

    def _resume(self, utterance: Utterance) -> None:
        host = utterance.host
        utterance.cancel_timers()
        if host is None or host.phase == "done" or not host.held:
            self._settle(utterance)
            return
        now_ns, until_ns = monotonic_ns(), host.heard_until_ns
        host.resume()
        silence_s = max(0, now_ns - until_ns) / SECOND_NS if until_ns is not None else None
        self._open.remove(utterance)
        self.write(utterance, "resumed", resumed_ns=now_ns, silence_s=silence_s)

    def _settle(self, utterance: Utterance) -> None:
        self._open.remove(utterance)
        self.write(utterance, _outcome(utterance))

    def write(self, utterance: Utterance, action: str, *, resumed_ns: int | None = None, silence_s: float | None = None) -> None:
        """Writes the truth; nothing where no response was under way or heard."""
        call, host = self._call, utterance.host
        if host is None:
            return
        heard = utterance.heard[0] if utterance.heard else None
        truth = FalseAlarmTruth(call.session_id, call.client, host.plan.response_id, None, None, None, action)
        if heard is not None:
            truth.clip, truth.onset_ns, truth.offset_ns = heard.clip.name, heard.onset_ns, heard.offset_ns
        truth.paused_ns, truth.resumed_ns, truth.silence_s = utterance.paused_ns, resumed_ns, silence_s
        if action == "answered" and host.truth.status == "cancelled":
            truth.paused_ns = host.truth.last_audio_ns
        call.hub.truth.write(truth)

    def unnoticed(self, heard: Heard) -> None:
        """A clip went by that the VAD never noticed."""
        host = self._turns.host_at(heard.onset_ns or monotonic_ns())
        if heard.is_false_alarm and host is not None:
            self.write(Utterance("", heard.start_sample, [heard], host=host), "not_heard")

    def close(self, under_way: Utterance | None) -> None:
        """The session is over: writes what was not final, and the false alarm under way."""
        for utterance in list(self._open):
            self._settle(utterance)
        if under_way is not None and under_way.action is not None:
            self.write(under_way, _outcome(under_way))


def _outcome(utterance: Utterance) -> str:
    """What became of it, where the audio does not go on."""
    if utterance.action == "mistaken" and utterance.paused_ns is not None:
        return "cancelled" if utterance.resumes else "stuck"
    return "answered" if utterance.action == "answered" else "ignored"


def _can_pause(responder: Responder | None) -> bool:
    """Only audio that is being sent at a pace, and of which enough is left, can be paused."""
    if responder is None or responder.phase != "speaking" or responder.held or responder.plan.pace is None:
        return False
    return responder.unsent_s >= MIN_UNSENT_S
