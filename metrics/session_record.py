"""The records of a session and of a token for one (see `metrics/records.py` for what instants, durations and None are)."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.outcomes import ErrorKind, SessionOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One WebSocket session of a talker."""

    talker: int
    """Number of the talker in the run, from 0."""
    persona: str
    """Name of the talker's persona; empty where the scenario has none."""
    call: int
    """Number of the talker's call, from 0."""
    session_id: str | None
    """The assistant's name for the session; None where it told none."""
    outcome: SessionOutcome
    """How it ended."""
    error_kind: ErrorKind | None
    """Whose door its end is laid at; None where the talker ended it."""
    error: str | None
    """What was seen; never a secret."""
    reconnect: bool
    """It was to take the place of a session that was lost, in the same call or, where that was given up, in a later one."""
    lost_ns: int | None
    """Reconnection: when the session before it was lost."""
    down_s: float
    """Time of the talker without a session that ends with this one's being ready or, where it never was, with its end: since its session
    was lost, or its first attempt at one failed, and told by no earlier record. 0 where it went without a hitch."""
    started_epoch_s: float
    """Wall clock at the start: the one wall stamp, to line runs up with other logs."""
    started_ns: int
    """TCP connect began."""
    ready_ns: int | None
    """The assistant had taken the session's settings; None where it never did."""
    closed_ns: int
    """The session was over."""
    connect_s: float | None
    """Name resolution and TCP connect."""
    tls_s: float | None
    """TLS handshake; None without TLS."""
    handshake_s: float | None
    """WebSocket handshake."""
    first_event_s: float | None
    """Handshake complete to the session's first event."""
    close_code: int | None
    """Close code that the assistant sent; None where it sent none."""
    turns: int
    """Utterances and barge-ins begun."""
    messages_sent: int
    """WebSocket messages sent."""
    messages_received: int
    """WebSocket messages received."""
    audio_bytes_sent: int
    """PCM sent, before base64."""
    audio_bytes_received: int
    """PCM received, after base64."""
    frames_sent: int
    """Microphone frames sent."""
    frames_dropped: int
    """Frames that could not be handed to the kernel before the session ended or the write queue overflowed."""
    send_lateness_max_s: float | None
    """The tester's own: greatest lateness of a frame; None where none was due."""
    unsent_bytes_max: int
    """The most bytes that waited for the kernel to take them."""
    unknown_events: int
    """Events with a type that the dialect does not know."""
    malformed_messages: int
    """Messages that the dialect does not allow; they were passed over. What is taken for audio without being decoded is none of them."""
    benign_errors: int
    """Errors of a race that every client meets, such as cancelling a response that has just ended."""
    assistant_errors: int
    """Other errors that the assistant told."""
    rate_limits_seen: int
    """Times that it told its rate limits."""
    silence_duration_ms: int | None
    """End-of-turn silence window that the assistant echoed; None if it told none."""
    network: str | None = None
    """Network profile of the talker; None where it has none, as the fields after it."""
    network_losses: int | None = None
    """TCP segments that the profile lost, both ways, retransmissions included."""
    network_stalls: int | None = None
    """Stalls that began within the session."""
    network_stalled_s: float | None = None
    """How long they lasted within it, together."""
    network_frames_lost: int | None = None
    """Microphone frames that the talker sent and that never left the profile's network; they are not in `frames_sent`."""
    network_reset: bool | None = None
    """The profile reset the connection."""
    network_half_open: bool | None = None
    """The profile let nothing pass any more before the session was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """One request for an ephemeral token, or for the URL of a session."""

    user: str
    """`talker` or `token_minter`."""
    talker: int | None
    """Number of the talker; None for the token minter."""
    intended_ns: int
    """When the timetable wanted it sent."""
    sent_ns: int
    """The request was sent."""
    done_ns: int
    """The reply was complete, or given up."""
    status: int | None
    """HTTP status; None where no response came."""
    error_kind: ErrorKind | None
    """Whose door a failure is laid at; None where what was asked for came."""
    error: str | None
    """What was seen; never a secret."""
    retry_after_s: float | None
    """What Retry-After asked for; None without it."""
