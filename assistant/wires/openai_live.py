"""OpenAI's Live API on its primary WebSocket: audio both ways for as long as the session lasts, silence included, and no turns.

While nothing is said, silence goes out at the pace at which it is heard. While a response is, nothing stands in for what does not come.
"""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from time import monotonic
from typing import Any

import orjson

from assistant.truth import PLAYOUT_DELAY_S
from assistant.wires.base import Answer, Asked, Bye, Format, Message, Received, Refused, Sound, Told, Tuned, Wire

FORMATS = {"audio/pcm": ("pcm16", (16_000, 24_000)), "audio/pcmu": ("mulaw", (8000,)), "audio/pcma": ("alaw", (8000,))}
PIECE_S = 0.02
WORD_MS = 250  # the usual length of a spoken word
ANSWERED = {
    "session.input_audio.mute": "session.input_audio.muted",
    "session.input_audio.unmute": "session.input_audio.unmuted",
    "session.instructions.append": "session.instructions.appended",
    "session.thinking.append": "session.thinking.appended",
    "session.commentary.append": "session.commentary.appended",
}


class OpenAILive(Wire):
    """Live. `_until_s`: when all that was sent has been played, by the monotonic clock."""

    name = "openai-live"
    paths = ("/v1/live/sessions",)
    tuned_at_once = False
    paced = True

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._session: dict[str, Any] | None = None  # as it was started; None before
        self._asked: dict[str, Any] | None = None  # session.start's; None before
        self._began_s = self._until_s = 0.0
        self._speaking = False
        self._muted = False
        self._heard_ms = (0, 0)

    def beside(self, tell: Callable[[Told], Awaitable[None]]) -> Coroutine[Any, Any, None]:
        """Silence, while nothing is said."""
        return self._silence(tell)

    async def _silence(self, tell: Callable[[Told], Awaitable[None]]) -> None:
        """Each piece once its time has passed, so that a response goes out behind as much silence as there was."""
        while True:
            now_s = monotonic()
            if self._session is None or self._speaking:
                await asyncio.sleep(PIECE_S)
            elif now_s < self._until_s + PIECE_S:
                await asyncio.sleep(self._until_s + PIECE_S - now_s)
            else:
                self._forget(now_s)
                await tell(self._silent(PIECE_S))

    def _forget(self, now_s: float) -> None:
        """What a busy machine did not send in time is sent yet, unless a listener has heard that it was missing: then it begins anew."""
        if now_s - self._until_s > PLAYOUT_DELAY_S:
            self._until_s = now_s

    def _silent(self, length_s: float) -> str:
        samples = round(length_s * self.output.rate)
        return self._audio(b64encode(self.output.silence * samples).decode(), samples)

    def _audio(self, encoded: str, samples: int) -> str:
        self._until_s += samples / self.output.rate
        return f'{{"type":"session.output_audio.delta","delta":"{encoded}"}}'

    def event(self, kind: str, **fields: Any) -> Told:
        """The session's start, transcripts, usage and errors; Live has words for nothing else."""
        match kind:
            case "session.updated" if self._session is None:
                self._began_s = monotonic()
                self._session = self._resource(fields["session"])
                return self._text("session.started", session=self._session)
            case "input_audio_buffer.speech_started":
                self._heard_ms = fields["audio_start_ms"], fields["audio_start_ms"]
            case "input_audio_buffer.speech_stopped":
                self._heard_ms = self._heard_ms[0], fields["audio_end_ms"]
            case "conversation.item.input_audio_transcription.delta":
                start_ms, end_ms = self._heard_ms
                return self._text("session.input_transcript.delta", delta=fields["delta"], start_ms=start_ms, end_ms=end_ms)
            case "output_audio_buffer.cleared":
                self._speaking = False
            case "response.done":
                self._speaking = False
                return self._done(fields["response"])
        return None

    def _done(self, response: Mapping[str, Any]) -> Told:
        usage = self._text("session.usage.updated", usage={"seconds": self._seconds})
        if response["status"] != "failed":
            return usage
        error = response["status_details"]["error"]
        return [self._error(error["type"], error["code"], error["message"]), usage]

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """A piece of what is said, the first behind the silence until now."""
        now_s, encoded = monotonic(), str(chunk)
        samples = (len(encoded) // 4 * 3 - encoded[-2:].count("=")) // len(self.output.silence)
        if not self._speaking:
            self._forget(now_s)
        before_s = 0.0 if self._speaking else now_s - self._until_s
        silence = [self._silent(before_s)] if before_s * self.output.rate >= 1 else []
        self._speaking = True
        self._until_s = max(self._until_s, now_s)
        return [*silence, self._audio(encoded, samples)]

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """Words, laid where the audio that was sent ends; how long they last is a guess."""
        start_ms = round(1000 * (max(self._until_s, monotonic()) - self._began_s))
        end_ms = start_ms + WORD_MS * max(1, len(text.split()))
        return self._text("session.output_transcript.delta", delta=text, start_ms=start_ms, end_ms=end_ms)

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """`error`; a session that has lasted as long as it may is closed instead."""
        if code == "session_expired" and self._session is not None:
            return self._closed("expired")
        return self._error(kind, code or "invalid_value", message, param, event_id)

    def received(self, message: Message) -> list[Received]:
        """A client's command. Before `session.start` there is no other."""
        if isinstance(message, bytes):
            return [Refused("Binary messages are not part of this protocol: send JSON text.", "invalid_message")]
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            return [Refused(f"The message is not JSON: {error}", "invalid_json")]
        if not isinstance(told, dict):
            return [Refused("The message must be a JSON object.", "invalid_json")]
        kind = told.get("type")
        if kind == "session.close":
            return [*([] if self._session is None else [Answer(self._closed("close_requested"))]), Bye()]
        if (kind == "session.start") == (self._asked is not None):
            return [Refused("Send session.start once, as the first message.", "invalid_request", "type", told.get("event_id"))]
        match kind:
            case "session.start":
                return self._start(told.get("session"), told.get("event_id"))
            case "session.input_audio.append":
                return [self._sound(told.get("audio"), told.get("event_id"))]
            case "session.update":
                return [Answer(self._text("session.updated", session=self._session))]
        answer = ANSWERED.get(kind) if isinstance(kind, str) else None
        if answer is None:
            return [Refused(f"Unknown event type: {kind!r:.80}.", "invalid_value", "type", told.get("event_id"))]
        if kind in ("session.input_audio.mute", "session.input_audio.unmute"):
            self._muted = kind == "session.input_audio.mute"
            return [Answer(self._text(answer))]
        now_ms = round(1000 * (monotonic() - self._began_s))
        return [Answer(self._text(answer, start_ms=now_ms, end_ms=now_ms))]

    def _start(self, session: Any, event_id: Any) -> list[Received]:
        if not isinstance(session, dict) or not isinstance(session.get("model"), str):
            return [Refused("session.model is required.", "missing_required_parameter", "session.model", event_id)]
        audio = session.get("audio")
        asked = audio if isinstance(audio, dict) else {}
        form = asked.get("format") or {"type": "audio/pcm", "rate": 24_000}
        known = FORMATS.get(str(form.get("type"))) if isinstance(form, dict) else None
        if known is None or form.get("rate") not in known[1]:
            text = "audio.format must be audio/pcm at 16000 or 24000, audio/pcmu or audio/pcma at 8000."
            return [Refused(text, "invalid_value", "session.audio.format", event_id)]
        self._asked = session
        self.input = self.output = Format(form["rate"], known[0])
        output = asked.get("output")
        voice = output.get("voice") if isinstance(output, dict) else None
        told = {name: session[name] for name in ("model", "instructions") if name in session}
        spoken = {} if voice is None else {"voice": voice}
        settings = {"type": "realtime", **told, "audio": {"input": {"transcription": {"model": "live"}}, "output": spoken}}
        return [Tuned(), Asked("session.update", {"session": settings, "event_id": event_id})]

    def _sound(self, encoded: Any, event_id: Any) -> Received:
        try:
            audio = binascii.a2b_base64(encoded, strict_mode=True)
        except (TypeError, ValueError):
            return Refused("Invalid 'audio': it must be base64.", "invalid_value", "audio", event_id)
        if len(audio) % len(self.input.silence):
            return Refused("Invalid 'audio': expected whole samples.", "invalid_value", "audio", event_id)
        return Sound(self.input.silence * (len(audio) // len(self.input.silence)) if self._muted else audio)

    @property
    def _seconds(self) -> int:
        return round(monotonic() - self._began_s)

    def _closed(self, reason: str) -> str:
        return self._text("session.closed", reason=reason, session=self._session, usage={"seconds": self._seconds})

    def _error(self, kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None) -> str:
        error = {"type": kind, "code": code, "message": message, "param": param, "client_event_id": event_id}
        return self._text("error", error=error)

    def _resource(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """The session as Live shows it."""
        kind = next(name for name, known in FORMATS.items() if known[0] == self.output.encoding)
        audio = {"format": {"type": kind, "rate": self.output.rate}, "output": {"voice": session["audio"]["output"]["voice"]}}
        told = {name: session[name] for name in ("id", "expires_at", "model", "instructions")}
        return {**told, "status": "active", "audio": audio, "delegation": None, "store": False}

    def _text(self, kind: str, **fields: Any) -> str:
        self.number += 1
        return orjson.dumps({"type": kind, "event_id": f"event_{self.tag}_{self.number}", **fields}).decode()
