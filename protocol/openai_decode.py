"""What an assistant says on the OpenAI Realtime wire, decoded into events.

Reads the generally available (GA) event names and the older beta ones alike, whatever the session was opened with:
servers that imitate the API mix the two. Checked are the fields that an event needs; those that no event needs are not.
The API's reference: https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from protocol.dialect import MalformedMessage
from protocol.events import (
    AssistantError,
    AudioDelta,
    AudioDone,
    Committed,
    Event,
    Ignored,
    RateLimits,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Truncated,
)
from protocol.fields import Json, may, need, read, unknown, wrong

RESPONSE_STATUSES: Final = frozenset(("completed", "cancelled", "incomplete", "failed"))
"""How a response may end."""

BENIGN_ERRORS: Final = frozenset(("response_cancel_not_active",))
"""Error codes of races that no client can avoid: the response ended while the cancel was under way."""


Decoder = Callable[[str, Json], Event]
"""From a message's type and its fields to the event. Raises MalformedMessage."""


def decode(message: bytes, own: Mapping[str, Decoder] | None = None) -> Event:
    """The event in one text message. `own`: types that a server has besides the API's, or has otherwise. Raises MalformedMessage."""
    fields = read(message)
    kind = fields.get("type")
    if type(kind) is not str:
        raise wrong("message", "type", kind, str)
    decoder = (own or _DECODERS).get(kind) or _DECODERS.get(kind)
    return unknown(kind) if decoder is None else decoder(kind, fields)


def _session_created(kind: str, fields: Json) -> Event:
    session = need(kind, fields, "session", dict)
    return SessionCreated(may(kind, session, "id", str, "session."), session)


def _session_updated(kind: str, fields: Json) -> Event:
    return SessionUpdated(need(kind, fields, "session", dict))


def _speech_started(kind: str, fields: Json) -> Event:
    return SpeechStarted(need(kind, fields, "item_id", str), need(kind, fields, "audio_start_ms", int))


def _speech_stopped(kind: str, fields: Json) -> Event:
    return SpeechStopped(need(kind, fields, "item_id", str), need(kind, fields, "audio_end_ms", int))


def _committed(kind: str, fields: Json) -> Event:
    return Committed(need(kind, fields, "item_id", str))


def _transcribed(kind: str, fields: Json) -> Event:
    return Transcribed(need(kind, fields, "item_id", str), need(kind, fields, "transcript", str))


def _transcription_failed(kind: str, fields: Json) -> Event:
    return Transcribed(need(kind, fields, "item_id", str), None)


def _response_created(kind: str, fields: Json) -> Event:
    return ResponseCreated(may(kind, need(kind, fields, "response", dict), "id", str, "response."))


def _text_delta(kind: str, fields: Json) -> Event:
    return TextDelta(need(kind, fields, "response_id", str), need(kind, fields, "item_id", str), need(kind, fields, "delta", str))


def _audio_delta(kind: str, fields: Json) -> Event:
    delta, response, item, index = fields.get("delta"), fields.get("response_id"), fields.get("item_id"), fields.get("content_index")
    if type(delta) is not str:
        raise wrong(kind, "delta", delta, str)
    if type(response) is not str:
        raise wrong(kind, "response_id", response, str)
    if type(item) is not str:
        raise wrong(kind, "item_id", item, str)
    if type(index) is not int:
        raise wrong(kind, "content_index", index, int)
    length = len(delta)
    size = length // 4 * 3
    if delta[-1:] == "=":
        size -= 2 if delta[-2:-1] == "=" else 1
    if length & 3 or size & 1:
        raise _no_samples(kind, length, size)
    return AudioDelta(response, item, index, size >> 1, delta)


def _no_samples(kind: str, length: int, size: int) -> MalformedMessage:
    """What is wrong with `length` characters that are no padded base64 (RFC 4648, section 4) of `size` bytes of PCM16."""
    if length & 3:
        return MalformedMessage(f"{kind}: delta of {length} characters is not padded base64")
    return MalformedMessage(f"{kind}: delta holds {size} bytes, which are no whole PCM16 samples")


def _audio_done(kind: str, fields: Json) -> Event:
    return AudioDone(need(kind, fields, "response_id", str), need(kind, fields, "item_id", str))


def _response_done(kind: str, fields: Json) -> Event:
    response = need(kind, fields, "response", dict)
    status = need(kind, response, "status", str, "response.")
    if status not in RESPONSE_STATUSES:
        raise MalformedMessage(f"{kind}: response.status must be one of {', '.join(sorted(RESPONSE_STATUSES))}")
    return ResponseDone(
        may(kind, response, "id", str, "response."),
        status,
        None if status == "completed" else _reason(kind, response),
        may(kind, response, "usage", dict, "response."),
    )


def _reason(kind: str, response: Json) -> str | None:
    """Why a response did not complete: `reason` of its details, else code or type of their error; None where untold."""
    inside = "response.status_details."
    details = may(kind, response, "status_details", dict, "response.") or {}
    reason = may(kind, details, "reason", str, inside)
    if reason is not None:
        return reason
    error = may(kind, details, "error", dict, inside) or {}
    return may(kind, error, "code", str, inside + "error.") or may(kind, error, "type", str, inside + "error.")


def _truncated(kind: str, fields: Json) -> Event:
    return Truncated(need(kind, fields, "item_id", str), need(kind, fields, "audio_end_ms", int))


def _rate_limits(kind: str, fields: Json) -> Event:
    limits = need(kind, fields, "rate_limits", list)
    for index, limit in enumerate(limits):
        if type(limit) is not dict:
            raise wrong(kind, f"rate_limits[{index}]", limit, dict)
    return RateLimits(tuple(limits))


def _error(kind: str, fields: Json) -> Event:
    error = need(kind, fields, "error", dict)
    code = may(kind, error, "code", str, "error.") or may(kind, error, "type", str, "error.")
    return AssistantError(code, need(kind, error, "message", str, "error."), code in BENIGN_ERRORS)


def _ignored(kind: str, fields: Json) -> Event:
    return Ignored(kind)


_DECODERS: Final[dict[str, Decoder]] = {
    "session.created": _session_created,
    "session.updated": _session_updated,
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    "input_audio_buffer.committed": _committed,
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.input_audio_transcription.failed": _transcription_failed,
    "conversation.item.truncated": _truncated,
    "response.created": _response_created,
    "response.output_text.delta": _text_delta,
    "response.text.delta": _text_delta,
    "response.output_audio_transcript.delta": _text_delta,
    "response.audio_transcript.delta": _text_delta,
    "response.output_audio.delta": _audio_delta,
    "response.audio.delta": _audio_delta,
    "response.output_audio.done": _audio_done,
    "response.audio.done": _audio_done,
    "response.done": _response_done,
    "rate_limits.updated": _rate_limits,
    "error": _error,
    **dict.fromkeys(
        (
            "conversation.created",
            "conversation.item.added",
            "conversation.item.created",
            "conversation.item.deleted",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.segment",
            "conversation.item.retrieved",
            "input_audio_buffer.cleared",
            "input_audio_buffer.dtmf_event_received",
            "input_audio_buffer.timeout_triggered",
            "mcp_list_tools.completed",
            "mcp_list_tools.failed",
            "mcp_list_tools.in_progress",
            "output_audio_buffer.cleared",
            "output_audio_buffer.started",
            "output_audio_buffer.stopped",
            "response.audio_transcript.done",
            "response.content_part.added",
            "response.content_part.done",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.mcp_call.completed",
            "response.mcp_call.failed",
            "response.mcp_call.in_progress",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.output_audio_transcript.done",
            "response.output_item.added",
            "response.output_item.done",
            "response.output_text.done",
            "response.text.done",
            "transcription_session.updated",
        ),
        _ignored,
    ),
}
