"""The record of a turn (see `metrics/records.py` for what instants, durations and None are)."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.outcomes import BargeInClass, ErrorKind, Outcome, TurnKind


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
    """False alarm: its windows passed before the turn was cut off, and what it came to could be told, so its outcome counts."""
    span_s: float
    """Session time that the turn covers: from the end of the one before, or the session's start, to its own end; 0 for a false alarm."""
    network: str | None = None
    """Network profile of the talker; None where it has none."""
    network_up_s: float | None = None
    """What the profile added to the last speech frame's way to the assistant; None without a profile, or where it never arrived."""
    network_down_s: float | None = None
    """What the profile added to the first audio message's way to the talker; None without a profile, or where no audio came."""
    input_audio_tokens: int | None = None
    """Those of `input_tokens` that are audio, as the assistant tells it; the rest is text."""
    cached_tokens: int | None = None
    """Those of `input_tokens` that it had met before and charges for as cached."""
    cached_audio_tokens: int | None = None
    """Those of `cached_tokens` that are audio."""
    output_audio_tokens: int | None = None
    """Those of `output_tokens` that are audio; the rest is text."""
