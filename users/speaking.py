"""What a talker says in a session: a clip into the microphone, and what is to be done when it was sent, or heard by the talker itself."""

from __future__ import annotations

from metrics.records import TurnKind
from metrics.utterance import Utterance
from users.clock import now_ns
from users.held import Held
from users.link import Link
from users.microphone import Microphone
from users.network import Emulation
from users.prepared import PreparedClip
from users.wired import Wired


class Speaking:
    """Of one open session, and the number of its call. It does not hold the microphone, which holds it: no circle is left.

    `cancels`: a barge-in has the answer cancelled. `network`: what is said passes it; None: none."""

    def __init__(
        self,
        call: int,
        link: Link,
        held: Held,
        frame_ns: int,
        wired: Wired,
        cancels: bool,
        network: Emulation | None,
    ) -> None:
        self._call = call
        self._link = link
        self._held = held
        self._frame_ns = frame_ns
        self._wired = wired
        self._cancels = cancels
        self._network = network
        self._said: Utterance | None = None  # what the microphone speaks, or spoke last

    def speak(self, microphone: Microphone, kind: TurnKind, turn: int, prepared: PreparedClip, planned_after_s: float | None) -> None:
        """Say a clip, from the next frame on."""
        speech = microphone.speak(prepared, self._offset_sent, self._heard_myself if kind is TurnKind.BARGE_IN else None)
        clip = prepared.clip
        utterance = Utterance(
            kind, self._call, turn, clip.name, clip.voice, clip.transcript, speech.onset_ns, speech.offset_ns, planned_after_s
        )
        utterance.audio_processing_s = prepared.processing_s
        self._said = utterance
        self._held.tracked().speak(utterance)

    def _offset_sent(self, due_ns: int, sent_ns: int, worst_ns: int) -> None:
        said, link = self._said, self._link
        if said is None:
            return
        said.offset_sent_ns = sent_ns
        said.send_lateness_max_s = worst_ns / 1e9
        said.mic_capture_s = (self._frame_ns + sent_ns - due_ns) / 1e9
        round_trip_s = link.round_trip_s()
        network_s = said.network_up_s = self._network.up_s(sent_ns) if self._network is not None else None

        def taken() -> None:
            if round_trip_s is not None:
                said.uplink_s = round_trip_s / 2 + (network_s or 0.0) + (now_ns() - sent_ns) / 1e9

        link.when_sent(taken)

    def _heard_myself(self, detected_ns: int) -> None:
        said = self._said
        if said is None:
            return
        if not self._wired.dialect.flushes:
            said.detected_ns = detected_ns
            return
        silenced_ns = now_ns()
        tracker = self._held.tracked()
        told = tracker.silence(detected_ns, silenced_ns)
        said.flush_s = (now_ns() - silenced_ns) / 1e9
        if told is None:
            return
        response_id, item_id, content_index, played_ms = told
        if self._cancels and tracker.host_open and self._wired.send(self._wired.dialect.cancel(response_id)):
            said.cancel_sent_ns = now_ns()
        if item_id is not None:
            self._wired.send(self._wired.dialect.truncate(item_id, content_index, played_ms))
