"""The benchmark's conversation the usual Locust way, the baseline: a greenlet that sleeps, encodes and sends, one that blocks in recv.

`USUAL_FRAME_MS`, `USUAL_SECONDS` (length of the window that begins 2 s after the last talker has started) and `USUAL_RESULT` (the
file that gets one JSON object) are environment variables. It sleeps to the next due instant of an absolute timetable: a plain sleep of
a frame's duration would let every talker drift away from the first second on. Lateness counts from that instant to the end of the send.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locust import HttpUser, events, task

import gevent
from websocket import create_connection

from audio import ClipKind, load_corpus

FRAME_S, SECONDS = float(os.environ["USUAL_FRAME_MS"]) / 1000, float(os.environ["USUAL_SECONDS"])
RATE, SETTLE_S = 24000, 2.0
STEP = round(RATE * FRAME_S) * 2
SILENCE = bytes(STEP)
CLIPS = [clip.pcm.tobytes() for clip in load_corpus(rate=RATE).of(ClipKind.QUESTION)]
LATE = array("d")
COUNTS: Counter[str] = Counter()


class Caller(HttpUser):
    @task
    def call(self) -> None:
        token = self.client.post("/rt-token", json={}).json()["value"]
        url = str(self.host).replace("http", "ws") + "/v1/realtime"
        self.socket = create_connection(url, header=[f"Authorization: Bearer {token}"])
        detection = {"type": "server_vad", "silence_duration_ms": 200}
        session = {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": {"turn_detection": detection}}}
        self.socket.send(json.dumps({"type": "session.update", "session": session}))
        gevent.joinall([gevent.spawn(self.talk), gevent.spawn(self.listen)], raise_error=True)
        self.socket.shutdown()
        gevent.sleep(1.0)

    def microphone(self) -> Iterator[bytes]:
        for _ in range(random.randint(8, 12)):
            yield from [SILENCE] * int(random.uniform(1.0, 2.0) / FRAME_S)
            clip, self.replied, self.heard = random.choice(CLIPS), False, False
            yield from (clip[at : at + STEP] for at in range(0, len(clip), STEP))
            self.spoken = time.perf_counter()
            while not self.replied:
                yield SILENCE

    def talk(self) -> None:
        start = time.perf_counter()
        for k, pcm in enumerate(self.microphone()):
            gevent.sleep(max(0.0, start + k * FRAME_S - time.perf_counter()))
            self.socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}))
            LATE.append(time.perf_counter() - start - k * FRAME_S)
        self.socket.send_close()

    def listen(self) -> None:
        while text := self.socket.recv():
            event = json.loads(text)
            if event["type"] == "response.output_audio.delta":
                COUNTS["samples"] += len(base64.b64decode(event["delta"])) // 2
                if not self.heard:
                    self.heard = True
                    self.fire("first audio", 1000 * (time.perf_counter() - self.spoken))
            elif event["type"] == "response.done":
                self.replied = True
                COUNTS["turns"] += 1
                self.fire("turn", 1000 * (time.perf_counter() - self.spoken))

    def fire(self, name: str, ms: float) -> None:
        self.environment.events.request.fire(request_type="WS", name=name, response_time=ms, response_length=0, exception=None, context={})


def count_error(**_: Any) -> None:
    COUNTS["failed"] += 1


def measure(user_count: int, **_: Any) -> None:
    gevent.spawn_later(SETTLE_S, report, user_count, time.monotonic_ns() + round(SETTLE_S * 1e9))


def report(talkers: int, start_ns: int) -> None:
    before = Counter(COUNTS)
    gevent.sleep(SECONDS)
    end_ns, late = time.monotonic_ns(), sorted(LATE)
    spoken_s = talkers * (end_ns - start_ns) / 1e9
    result = {
        "talkers": talkers, "start_ns": start_ns, "end_ns": end_ns, "failed": COUNTS["failed"], "turns": COUNTS["turns"] - before["turns"],
        "send_lateness_p99_ms": 1000 * late[int(0.99 * len(late))], "frames_missed": sum(value > FRAME_S for value in late),
        "reply_share": (COUNTS["samples"] - before["samples"]) / RATE / spoken_s,
    }  # fmt: skip
    Path(os.environ["USUAL_RESULT"]).write_text(json.dumps(result))


events.user_error.add_listener(count_error)
events.spawning_complete.add_listener(measure)
