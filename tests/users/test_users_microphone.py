"""A microphone on a real link: what the peer got, and when it was due."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gevent
import numpy as np
import orjson
import pytest
from users_peers import Caller, Peer, served, until
from websockets.frames import Opcode

from audio import Background, ClipKind, NoiseKind, Surroundings, load_corpus
from protocol import OpenAIRealtime
from users.clock import SECOND_NS, now_ns
from users.microphone import Microphone, Speech
from users.pacer import Pacer
from users.prepared import Prepared, PreparedClip
from users.slots import Slots

CORPUS = load_corpus()
PREPARED = Prepared(OpenAIRealtime(), 20)
FRAME_NS = PREPARED.frame_ns


def shortest(kind: ClipKind) -> PreparedClip:
    return PREPARED.clip(min(CORPUS.of(kind), key=lambda c: c.duration_s))


@dataclass
class Call:
    """A call with a microphone, and what came of it. `pcm`: frames of samples as they arrived at the peer."""

    caller: Caller
    microphone: Microphone
    pacer: Pacer
    start_ns: int
    pcm: list[np.ndarray]
    offsets: list[tuple[int, int]] = field(default_factory=list)
    worst: list[int] = field(default_factory=list)
    detections: list[int] = field(default_factory=list)

    def speak(self, clip: PreparedClip, barge_in: bool = False) -> Speech:
        def offset_sent(due_ns: int, sent_ns: int, worst_ns: int) -> None:
            self.offsets.append((due_ns, sent_ns))
            self.worst.append(worst_ns)

        return self.microphone.speak(clip, offset_sent, self.detections.append if barge_in else None)

    def frames(self, count: int) -> list[np.ndarray]:
        """The first `count` frames, once they have arrived."""
        until(lambda: len(self.pcm) >= count)
        return self.pcm[:count]


@contextmanager
def call(start_in_s: float = 0.0, background: Background | None = None) -> Iterator[Call]:
    pcm: list[np.ndarray] = []

    def script(peer: Peer) -> None:
        peer.accept()
        while (got := peer.receive()) is not None and got.opcode is Opcode.TEXT:
            message: dict[str, Any] = orjson.loads(got.data)
            pcm.append(np.frombuffer(base64.b64decode(message["audio"]), "<i2"))

    with served(script) as server:
        caller = Caller(server.url, ssl.create_default_context())
        caller.link.start()
        start_ns = now_ns() + round(start_in_s * SECOND_NS)
        pacer = Pacer()
        microphone = Microphone(caller.link, PREPARED, Slots(PREPARED.frame_ns, pacer), start_ns, background)
        yield Call(caller, microphone, pacer, start_ns, pcm)
        caller.link.abort()


def test_it_streams_silence_from_its_start_and_ends_with_the_link() -> None:
    with call() as made:
        began_ns = now_ns()
        frames = made.frames(10)
        assert all(len(f) == 480 and not f.any() for f in frames)
        assert now_ns() - made.start_ns >= 10 * FRAME_NS, "a frame cannot be sent before it has been captured"
        assert began_ns >= made.start_ns
        made.caller.link.abort()
        sent = made.caller.link.frames_sent
        gevent.sleep(0.1)
        assert made.caller.link.frames_sent == sent
        until(lambda: len(made.pcm) == sent)


def test_a_clip_arrives_sample_for_sample_between_silence() -> None:
    clip = shortest(ClipKind.INTERRUPTION)
    with call() as made:
        made.frames(3)
        speech = made.speak(clip)
        assert not made.microphone.idle
        until(lambda: made.microphone.idle)
        until(lambda: made.caller.link.frames_sent >= 10 + len(clip.frames))
        first, rest = divmod(speech.start_ns - made.start_ns, FRAME_NS)
        assert rest == 0
        frames = made.frames(first + len(clip.frames) + 3)
        assert not np.concatenate(frames[:first]).any()
        assert not np.concatenate(frames[first + len(clip.frames) :]).any()
        heard = np.concatenate(frames[first : first + len(clip.frames)])
        source, lead = clip.clip, clip.clip.onset_sample - round(clip.onset_s * 24000)
        assert (heard[: source.offset_sample + 1 - lead] == source.pcm[lead : source.offset_sample + 1]).all()


def test_noise_is_there_all_along_and_goes_on_after_a_clip_where_it_was() -> None:
    background = Background(NoiseKind.CAFE, -35.0)
    around = Surroundings(background, 24000, 480)
    clip = PREPARED.clip(min(CORPUS.of(ClipKind.BACKCHANNEL), key=lambda c: c.duration_s), background)
    length = len(clip.frames)
    with call(background=background) as made:
        made.frames(3)
        speech = made.speak(clip)
        until(lambda: made.microphone.idle)
        first = (speech.start_ns - made.start_ns) // FRAME_NS
        frames = made.frames(first + length + 5)
        assert (np.concatenate(frames[:first]) == around.heard(0, first)).all()
        noise = around.heard(clip.loop_frame, length + 5)
        assert (np.concatenate(frames[first + length :]) == noise[480 * length :]).all()
        heard = np.concatenate(frames[first : first + length]).astype(int) - noise[: 480 * length]
        source, lead = clip.clip, clip.clip.onset_sample - round(clip.onset_s * 24000)
        spoken = source.pcm[lead : source.offset_sample + 1]
        assert np.abs(heard[: len(spoken)] - spoken).max() <= 1


def test_onset_and_offset_are_capture_instants() -> None:
    clip = shortest(ClipKind.INTERRUPTION)
    with call() as made:
        made.frames(2)
        before_ns = now_ns()
        foretold_ns = made.microphone.onset_if_spoken_now(clip)
        speech = made.speak(clip)
        assert abs(foretold_ns - speech.onset_ns) in (0, FRAME_NS), "between the two a frame may have begun"
        assert speech.start_ns >= before_ns, "what has been captured already cannot become speech"
        source = clip.clip
        assert speech.onset_ns - speech.start_ns == pytest.approx(clip.onset_s * SECOND_NS, abs=1)
        assert speech.offset_ns - speech.onset_ns == pytest.approx((source.offset_sample - source.onset_sample) / 24000 * 1e9, abs=2)
        until(lambda: made.microphone.idle)
        ((due_ns, sent_ns),) = made.offsets
        assert due_ns == speech.start_ns + (clip.offset_frame + 1) * FRAME_NS
        assert due_ns - FRAME_NS <= speech.offset_ns < due_ns, "it is the frame that holds the last sample of speech"
        assert sent_ns >= due_ns
        assert sent_ns - due_ns <= made.worst[0] <= made.microphone.worst_ns


def test_a_barge_in_hears_itself_once_and_nothing_else_does() -> None:
    clip = shortest(ClipKind.INTERRUPTION)
    with call() as made:
        made.frames(1)
        speech = made.speak(clip, barge_in=True)
        until(lambda: made.microphone.idle)
        assert clip.detected_frame is not None
        (detected_ns,) = made.detections
        assert detected_ns >= speech.start_ns + (clip.detected_frame + 1) * FRAME_NS
        made.speak(clip)
        until(lambda: made.microphone.idle)
        assert len(made.detections) == 1
        assert len(made.offsets) == 2


def test_one_clip_at_a_time() -> None:
    clip = shortest(ClipKind.BACKCHANNEL)
    with call() as made:
        made.speak(clip)
        with pytest.raises(RuntimeError, match="one clip at a time"):
            made.speak(clip)
        until(lambda: made.microphone.idle)
        made.speak(clip)


def test_before_its_start_it_speaks_from_the_first_frame() -> None:
    clip = shortest(ClipKind.BACKCHANNEL)
    with call(start_in_s=0.1) as made:
        speech = made.speak(clip)
        assert speech.start_ns == made.start_ns
        frames = made.frames(len(clip.frames))
        assert frames[0].any() or frames[1].any()


def test_after_a_stall_the_frames_are_late_but_all_there() -> None:
    """The timetable is absolute: nothing is skipped, nothing is shifted, and a clip is not begun in the past."""
    clip = shortest(ClipKind.BACKCHANNEL)
    with call() as made:
        made.frames(2)
        stalled_ns = now_ns()
        while now_ns() < stalled_ns + SECOND_NS // 10:
            pass
        before_ns = now_ns()
        speech = made.speak(clip)
        assert speech.start_ns >= before_ns
        first = (speech.start_ns - made.start_ns) // FRAME_NS
        frames = made.frames(first + len(clip.frames))
        assert not np.concatenate(frames[:first]).any()
        assert np.concatenate(frames[first:]).any()


def test_the_link_ends_amid_speech() -> None:
    clip = shortest(ClipKind.QUESTION)
    with call() as made:
        made.speak(clip, barge_in=True)
        made.frames(2)
        made.caller.link.abort()
        gevent.sleep(0.1)
        assert made.offsets == []
        assert not made.microphone.idle


def test_send_lateness_is_that_of_every_frame() -> None:
    with call() as made:
        made.frames(5)
        until(lambda: now_ns() - made.start_ns > 5 * FRAME_NS)
        before = made.pacer.lateness.count
        stalled_ns = now_ns()
        while now_ns() < stalled_ns + SECOND_NS // 10:
            pass
        until(lambda: made.caller.link.frames_sent >= before + 5)
        lateness = made.pacer.lateness
        assert lateness.count == made.caller.link.frames_sent
        assert lateness.low is not None
        assert lateness.high is not None
        assert 0 <= lateness.low < lateness.high
        assert lateness.high >= 0.1 - 0.020, "of the frames due in the stall the first waited longest"
        assert made.microphone.worst_ns == pytest.approx(lateness.high * 1e9, abs=1)


def test_an_utterance_has_the_worst_lateness_of_its_own_frames() -> None:
    clip = shortest(ClipKind.BACKCHANNEL)
    with call() as made:
        made.frames(2)
        stalled_ns = now_ns()
        while now_ns() < stalled_ns + SECOND_NS // 5:
            pass
        made.speak(clip)
        until(lambda: made.microphone.idle)
        assert made.microphone.worst_ns >= SECOND_NS // 5 - FRAME_NS
        assert 0 <= made.worst[0] < made.microphone.worst_ns, "the stall was over before it began to speak"
