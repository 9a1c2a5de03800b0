"""The record in the middle: everything that is reported is a function of these four.

Instants (`*_ns`) are monotonic nanoseconds on the talker's machine, durations (`*_s`) float seconds. None means that the thing did not
happen or could not be measured; the outcome, the class of the barge-in or the catalogue's `absent` text says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TurnKind(StrEnum):
    """What an utterance of the talker was meant as."""

    UTTERANCE = "utterance"
    """Spoken into the assistant's silence; an answer is due."""
    BARGE_IN = "barge_in"
    """Started while the assistant was audible, to interrupt it; an answer of its own is due."""
    FALSE_ALARM = "false_alarm"
    """A backchannel, cough or noise while the assistant was audible; it must go on, and no answer is due."""


class Outcome(StrEnum):
    """What came of an utterance."""

    COMPLETED = "completed"
    """Its answer was received and played to the end."""
    INTERRUPTED = "interrupted"
    """Its answer was being heard when the talker barged in: the talker's own doing, so a success."""
    NO_RESPONSE = "no_response"
    """No audible answer came within the time limit, or the response closed without audio."""
    TIMEOUT = "timeout"
    """An answer began, then nothing more came within the time limit and it was never closed."""
    CUT_SHORT = "cut_short"
    """The assistant broke its answer off though nobody interrupted it."""
    ASSISTANT_ERROR = "assistant_error"
    """The assistant closed the response as failed."""
    CONNECTION_LOST = "connection_lost"
    """The session ended under way."""
    CUT_BY_RUN_END = "cut_by_run_end"
    """The run ended under way: neither a success nor a failure."""
    CONTINUED = "continued"
    """False alarm: the assistant talked on, to the end of its response."""
    RESUMED = "resumed"
    """False alarm: it stopped, came back within the window, and played to the end."""
    NOT_RESUMED = "not_resumed"
    """False alarm: it stopped and did not come back in time."""
    ANSWERED = "answered"
    """False alarm: it was taken for a turn and got an answer of its own."""


SUCCESSES = frozenset({Outcome.COMPLETED, Outcome.INTERRUPTED})
UNDECIDED = frozenset({Outcome.CUT_BY_RUN_END})


class BargeInClass(StrEnum):
    """How the assistant met a barge-in; shares of each are reported, never mixed."""

    SERVER = "cancelled_by_server"
    """The assistant stopped by itself."""
    CLIENT = "cancelled_by_client"
    """It stopped at the talker's cancel."""
    GENERATED = "already_generated"
    """All audio had been sent before the assistant could know: only the talker's own silencing applies."""
    NO_REACTION = "no_reaction"
    """It went on, or ended for another reason."""


class ErrorKind(StrEnum):
    """Whose door a failure is laid at; one word per kind in records, columns and screens."""

    RATE_LIMITED = "rate_limited"
    """Too many requests: HTTP 429, 503 in the handshake, or the assistant's own error code."""
    TIMEOUT = "timeout"
    """Nothing came within a time limit of the scenario."""
    CONNECT = "connect"
    """No TCP connection, no name, or a TLS certificate that is not trusted."""
    HANDSHAKE = "handshake"
    """The WebSocket was refused for another reason than these."""
    AUTH = "auth"
    """HTTP 401 or 403: the key or the token was refused."""
    PROTOCOL = "protocol"
    """What came is not what the wire allows."""
    REMOTE_CLOSE = "remote_close"
    """The connection ended under way."""
    ASSISTANT_ERROR = "assistant_error"
    """The assistant said itself that it failed."""
    CHAOS = "chaos"
    """The tester's own: one of the scenario's chaos actions ended it."""
    NETWORK = "network"
    """The talker's own network profile broke the connection: no failure of the assistant."""


SELF_MADE = frozenset({ErrorKind.CHAOS, ErrorKind.NETWORK})
"""What the tester broke itself: neither a success of the assistant nor its failure."""


class SessionOutcome(StrEnum):
    """How a session ended."""

    HUNG_UP = "hung_up"
    """By the talker, after its last turn."""
    ABANDONED = "abandoned"
    """By the talker, out of patience: it heard no answer in time."""
    REFUSED = "refused"
    """It never became ready."""
    LOST = "connection_lost"
    """It was ready, and ended before the talker hung up."""
    CUT_BY_RUN_END = "cut_by_run_end"
    """The run ended under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """One utterance of a talker and what came of it. See `metrics/catalog.py` for what is derived from these facts."""

    talker: int
    """Number of the talker in the run, from 0."""
    persona: str
    """Name of the talker's persona; empty where the scenario has none."""
    call: int
    """Number of the talker's call, from 0; a reconnection goes on with the same call."""
    turn: int
    """Number of the turn in the talker's plan, from 0; a false alarm has that of the turn whose answer it fell into."""
    kind: TurnKind
    """What the utterance was meant as."""
    outcome: Outcome
    """What came of it."""
    error_kind: ErrorKind | None
    """Whose door a failure is laid at; None where nothing failed."""
    error: str | None
    """The assistant's error code or what was seen; never a secret."""
    session_id: str | None
    """The assistant's name for the session; None where it told none."""
    clip: str
    """Name of the clip that was spoken."""
    voice: str
    """Voice of the clip; empty for noise."""
    spoken: str
    """Transcript of the clip; empty for noise."""
    transcript: str | None
    """What the assistant says it heard."""
    clock: str
    """Where arrival times come from: `kernel` or `user`."""

    send_lateness_max_s: float | None
    """The tester's own: greatest lateness of the utterance's frames, up to the one with the last sample of speech; None where that was not
    sent. It lengthens what is measured from the end of speech."""

    speech_onset_ns: int
    """Capture of the first sample of speech."""
    speech_offset_ns: int
    """Capture of the last sample of speech."""
    offset_sent_ns: int | None
    """The frame with the last sample of speech was handed to the kernel."""
    speech_started_ns: int | None
    """Arrival of the assistant's speech-started event."""
    speech_stopped_ns: int | None
    """Arrival of its speech-stopped event."""
    committed_ns: int | None
    """Arrival of the event that commits what was said as a turn."""
    transcribed_ns: int | None
    """Arrival of the final transcript."""
    response_created_ns: int | None
    """Arrival of the event that opens the response."""
    first_token_ns: int | None
    """Arrival of the first text or transcript delta."""
    first_audio_ns: int | None
    """Arrival of the first audio message."""
    first_audible_ns: int | None
    """The virtual speaker plays the first sound of the response."""
    last_audio_ns: int | None
    """Arrival of the last audio message."""
    response_done_ns: int | None
    """Arrival of the event that closes the response."""
    playout_end_ns: int | None
    """The virtual speaker has played all of the response."""

    mic_capture_s: float | None
    """First sample of the last speech frame captured to that frame handed to the kernel."""
    audio_processing_s: float | None
    """VAD and encoding of one frame, mean over the clip."""
    uplink_network_s: float | None
    """Half the kernel's least round trip at `offset_sent_ns`, and the time queued unsent."""
    downlink_network_s: float | None
    """Half the kernel's least round trip at `first_audio_ns`."""
    audio_rendering_s: float | None
    """First audio message read to decoded and in the playout queue."""
    speaker_output_s: float
    """Output buffer of the virtual speaker, from the scenario."""

    response_id: str | None
    """The response that answered the utterance; None where none did."""
    response_status: str | None
    """How the assistant closed it: completed, cancelled, incomplete or failed."""
    response_reason: str | None
    """Why it did not complete, as the assistant tells it."""
    responses_replaced: int
    """Responses to this utterance that the assistant cancelled by itself and began anew."""
    audio_s: float
    """Audio received for the response."""
    chunks: int
    """Audio messages of the response."""
    jitter_s: float | None
    """Standard deviation of the inter-arrival times of the response's audio messages; None below three messages."""
    rfc3550_jitter_s: float | None
    """Interarrival jitter against audio time, RFC 3550 section 6.4.1; None below two messages."""
    underruns: int
    """Times that the playout buffer ran empty with the response unfinished."""
    underrun_s: float
    """Silence that these underruns made, together."""
    longest_gap_s: float
    """The longest of them; 0 where there was none."""
    input_tokens: int | None
    """Tokens that the response took in, as the assistant tells it."""
    output_tokens: int | None
    """Tokens that it put out."""

    planned_after_s: float | None
    """Barge-in or false alarm: planned instant, in seconds of the assistant's speech."""
    host_response_id: str | None
    """Barge-in or false alarm: the response it fell into."""
    detected_ns: int | None
    """Barge-in: the talker's own VAD decided that it speaks."""
    silenced_ns: int | None
    """Barge-in: the virtual speaker had been silenced and flushed."""
    flush_s: float | None
    """Barge-in: time to empty and reset the playout queue."""
    cancel_sent_ns: int | None
    """Barge-in: the talker sent a cancel; None where the scenario leaves it to the assistant."""
    barge_in_class: BargeInClass | None
    """Barge-in: how the assistant met it; None where the session ended before that could be told."""
    stop_event_ns: int | None
    """Barge-in: arrival of the event that closes the host response as cancelled."""
    stop_byte_ns: int | None
    """Barge-in: last audio byte of the host response that came after the onset; None where none came, or where it never stopped."""
    stop_ear_ns: int | None
    """Barge-in: the speaker would have fallen silent had the talker not silenced it; None where the assistant never stopped."""
    talked_over_s: float | None
    """Barge-in: assistant audio that would have been heard after the onset."""
    false_stop_ns: int | None
    """False alarm: the assistant became inaudible for longer than 0.5 s."""
    resumed_ns: int | None
    """False alarm: it was audible again."""
    windows_met: bool
    """False alarm: its windows passed before the turn was cut off, so its outcome counts."""
    span_s: float
    """Session time that the turn covers: from the end of the one before, or the session's start, to its own end; 0 for a false alarm."""
    network: str | None = None
    """Network profile of the talker; None where it has none."""
    network_up_s: float | None = None
    """What the profile added to the last speech frame's way to the assistant; None without a profile, or where it never arrived."""
    network_down_s: float | None = None
    """What the profile added to the first audio message's way to the talker; None without a profile, or where no audio came."""


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
    """Messages that the dialect does not allow; they were passed over."""
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
    """One request for an ephemeral token."""

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
    """Whose door a failure is laid at; None where a token came."""
    error: str | None
    """What was seen; never a secret."""
    retry_after_s: float | None
    """What Retry-After asked for; None without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRecord:
    """What the target and the tester themselves took in one second of the run: a row of the timeline.

    What is the target's is None where it was not asked in that second, did not answer, or does not tell."""

    t_s: float
    """End of the second, from the run's start."""
    settled: bool
    """The number of talkers has not been higher than ever before for `target.settle_s` seconds: memory counts towards growth."""
    target_up: bool | None
    """The target answered at all of its URLs; null where it was not asked in that second."""
    target_memory_bytes: int | None
    """Resident memory of the target."""
    target_cpu_share: float | None
    """CPU that the target took, as a share of one core."""
    target_sessions: int | None
    """Sessions that the target has open."""
    tester_memory_bytes: int | None
    """Resident memory of the tester's workers together; null before the first report."""


Fired = TurnRecord | SessionRecord | TokenRecord
"""What talkers and minters fire."""
Record = Fired | SampleRecord
