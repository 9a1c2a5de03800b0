"""Speech under way in one session, from its start until it has become a turn or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from assistant.call import Call
from assistant.ears import Heard, Stopped
from assistant.responder import Responder
from assistant.turns import BargeIn

Action = Literal["ignored", "mistaken", "answered"]


@dataclass(slots=True, eq=False)
class Utterance:
    """Speech since the sample `start`. `heard`: the clips in it, as far as they are known; `unheard`: no clip matched exactly,
    and `heard` is what matched by loudness, if anything. `ending`: runs out when the extra endpointing delay is over."""

    item_id: str
    start: int
    heard: list[Heard] = field(default_factory=list)
    unheard: bool = False
    started_ns: int | None = None
    stopped: Stopped | None = None
    ending: asyncio.TimerHandle | None = None
    barge_in: BargeIn | None = None
    # Of a false alarm; `action` None: real speech, `host`: the response that it fell into.
    action: Action | None = None
    host: Responder | None = None
    resumes: bool = True
    pause: asyncio.TimerHandle | None = None
    paused_ns: int | None = None

    @property
    def onset_ns(self) -> int | None:
        """Capture instant of the first clip's labelled onset; None while it is not known."""
        return self.heard[0].onset_ns if self.heard else None

    def announce(self, call: Call) -> int:
        """Sends speech_started, once; returns when."""
        if self.started_ns is None:
            turns = call.turn_detection
            start_ms = self.start * 1000 // call.wire.input.rate - (turns.prefix_padding_ms if turns else 0)
            self.started_ns = call.emit("input_audio_buffer.speech_started", audio_start_ms=max(0, start_ms), item_id=self.item_id)
        return self.started_ns

    def announce_end(self, call: Call) -> int | None:
        """Sends speech_stopped where the start was announced; returns when, None where nothing was sent."""
        if self.started_ns is None or self.stopped is None:
            return None
        end_ms = self.stopped.decided * 1000 // call.wire.input.rate
        return call.emit("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=self.item_id)

    def cancel_timers(self) -> None:
        for timer in (self.ending, self.pause):
            if timer is not None:
                timer.cancel()
        self.ending = self.pause = None
