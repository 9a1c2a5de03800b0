"""The catalogue: each metric defined once. Summary, criteria, exporter, pages, run files and docs read this table.

Sources of targets: SD system design, MG monitoring guide, VB voice-bot summary, LX LivekitexAgent baselines, LG latency guide.
"""

from __future__ import annotations

from metrics import answers, interruptions, samples, sessions, spans
from metrics.metric import Metric, Shape, Target, Unit
from metrics.records import BargeInClass, Outcome, SampleRecord, SessionRecord, TokenRecord, TurnRecord

CATALOG_VERSION = 1
"""Raised whenever a definition changes; every run stores it."""

_S, _SHARE = Unit.SECONDS, Unit.SHARE
_D, _R, _T = Shape.DISTRIBUTION, Shape.RATIO, Shape.TREND
_NO_EVENT = "the assistant sent no such event, or the turn got no answer"
_NO_ANSWER = "no answer was heard"
_NO_PROFILE = "the talkers have no network profile, or the turn got no answer"
_NO_BARGE_IN = "no barge-in was made"
_NOT_SILENCED = "no barge-in made a talker silence its speaker: none was made, or the wire leaves that to the assistant"
_NO_TARGET = "the scenario names no URL of the target's"
_NOT_TOLD = "the scenario names no metrics_url, or the target does not tell, or the load had not settled (growth)"
_NO_FALSE_ALARM = "no false alarm was made whose windows passed before the turn was cut off"

_LATENCY = [
    Metric("e2e_latency", "End-to-end latency", "latency", _D, _S, TurnRecord, spans.span("speech_offset_ns", "first_audible_ns"),
           "last sample of the talker's speech captured", "first sound at the virtual speaker; negative where the assistant overlaps", _NO_ANSWER,
           targets=(Target("p50", "<", 0.840, "SD"), Target("p95", "<", 1.200, "SD"), Target("p50", "<", 0.800, "LG", "good"), Target("p50", "<", 0.500, "LG", "excellent")), code="E2E"),
    Metric("time_to_first_audio", "Time to first audio", "latency", _D, _S, TurnRecord, spans.span("speech_offset_ns", "first_audio_ns"),
           "last sample of the talker's speech captured", "arrival of the first audio message", _NO_ANSWER),
    Metric("ttft", "Time to first token", "latency", _D, _S, TurnRecord, answers.ttft,
           "last sample of the talker's speech captured", "arrival of the first content of any kind", _NO_ANSWER,
           targets=(Target("mean", "<", 1.5, "VB"), Target("p95", "<", 2.5, "VB")), code="TTFT"),
    Metric("total_response", "Total response", "latency", _D, _S, TurnRecord, answers.total_response,
           "last sample of the talker's speech captured", "arrival of the event that closes the answer", "no answer was completed"),
    Metric("mic_capture", "Microphone capture", "latency", _D, _S, TurnRecord, spans.fact("mic_capture_s"),
           "first sample of the frame captured", "frame complete and handed to the kernel: frame duration + send lateness", "the last speech frame was not sent",
           targets=(Target("p50", "<", 0.020, "SD"),), code="L1"),
    Metric("audio_processing", "Audio processing", "latency", _D, _S, TurnRecord, spans.fact("audio_processing_s"),
           "frame complete", "frame through VAD and encoded (measured when the clip is prepared)", "the last speech frame was not sent",
           targets=(Target("p50", "<", 0.010, "SD"),), code="L2"),
    Metric("uplink_network", "Uplink network", "latency", _D, _S, TurnRecord, spans.fact("uplink_network_s"),
           "last speech frame handed to the kernel", "at the assistant: half the kernel's least round trip of the last minutes + time queued unsent + what a network profile adds", "the kernel tells no round trip (TCP_INFO is Linux only)",
           targets=(Target("p50", "<", 0.050, "SD"),), code="L3"),
    Metric("endpointing_delay", "Endpointing delay", "latency", _D, _S, TurnRecord, spans.span("speech_offset_ns", "speech_stopped_ns"),
           "last sample of the talker's speech captured", "arrival of the assistant's end-of-speech event; holds L1, L2, L3 and one L7", _NO_EVENT),
    Metric("asr_processing", "ASR processing", "latency", _D, _S, TurnRecord, spans.span("speech_stopped_ns", "transcribed_ns"),
           "arrival of the end-of-speech event", "arrival of the final transcript", _NO_EVENT,
           targets=(Target("p50", "<", 0.200, "SD"), Target("p95", "<", 0.500, "SD 3.4")), code="L4"),
    Metric("llm_ttft", "LLM time to first token", "latency", _D, _S, TurnRecord, spans.span("response_created_ns", "first_token_ns"),
           "arrival of the event that opens the response", "arrival of the first text or transcript delta", _NO_EVENT,
           targets=(Target("p50", "<", 0.300, "SD"), Target("p50", "<", 0.400, "LG", "good"), Target("p50", "<", 0.250, "LG", "excellent")), code="L5"),
    Metric("tts_processing", "TTS processing", "latency", _D, _S, TurnRecord, spans.span("first_token_ns", "first_audio_ns"),
           "arrival of the first text or transcript delta", "arrival of the first audio message", _NO_EVENT,
           targets=(Target("p50", "<", 0.200, "SD"), Target("p50", "<", 0.150, "LG", "excellent")), code="L6"),
    Metric("downlink_network", "Downlink network", "latency", _D, _S, TurnRecord, spans.fact("downlink_network_s"),
           "first audio message left the assistant", "arrived: half the kernel's least round trip of the last minutes + what a network profile adds", "the kernel tells no round trip (TCP_INFO is Linux only)",
           targets=(Target("p50", "<", 0.030, "SD"),), code="L7"),
    Metric("audio_rendering", "Audio rendering", "latency", _D, _S, TurnRecord, spans.fact("audio_rendering_s"),
           "audio message read", "decoded and in the playout queue", _NO_ANSWER, targets=(Target("p50", "<", 0.020, "SD"),), code="L8"),
    Metric("speaker_output", "Speaker output", "latency", _D, _S, TurnRecord, answers.speaker_output,
           "sample leaves the playout queue", "heard: the virtual speaker's output buffer, an option", _NO_ANSWER, targets=(Target("p50", "<=", 0.010, "SD"),), code="L9"),
    Metric("stage_residual", "Stage residual", "latency", _D, _S, TurnRecord, answers.stage_residual,
           "end-to-end latency", "less the stages on its path: playout delay, leading silence, waiting between stages", "a stage's event is missing", better="neutral"),
    Metric("turn_gap", "Turn gap", "latency", _D, _S, TurnRecord, spans.span("speech_offset_ns", "first_audible_ns"),
           "the talker gives the floor up", "the assistant takes it (end-to-end latency seen as floor transfer; people: 236 ms on average)", _NO_ANSWER,
           targets=(Target("p50", ">", 0.200, "SD 3.4 C"), Target("p50", "<", 0.500, "SD 3.4 C")), better="neutral"),
    Metric("network_delay", "Network profile's delay", "latency", _D, _S, TurnRecord, answers.network_delay,
           "last speech frame handed to the network profile, and first audio message read from the socket", "out of the profile: both ways together", _NO_PROFILE, better="neutral"),
    Metric("assistant_latency", "Latency less the profile", "latency", _D, _S, TurnRecord, answers.assistant_latency,
           "end-to-end latency", "less what the talker's own network profile added to it", _NO_PROFILE),
    Metric("token_mint_latency", "Token mint latency", "latency", _D, _S, TokenRecord, sessions.token_mint_latency,
           "intended start of the request", "response complete", "no token was minted: the talkers use an API key, or every request failed", targets=(Target("p95", "<", 1.0, "MG"),)),
    Metric("session_setup", "Session set-up", "latency", _D, _S, SessionRecord, sessions.session_setup,
           "TCP connect begins", "session ready (connect, TLS, handshake, first event)", "no session became ready"),
]  # fmt: skip

_BARGE_IN = [
    Metric("bargein_detection", "Barge-in detection", "barge-in", _D, _S, TurnRecord, spans.from_onset("detected_ns"),
           "barge-in onset", "the talker's own VAD hears it", _NO_BARGE_IN, targets=(Target("p95", "<", 0.100, "SD"),), code="B1"),
    Metric("server_detection", "Server detection", "barge-in", _D, _S, TurnRecord, spans.from_onset("speech_started_ns"),
           "barge-in onset", "arrival of the assistant's speech-started event", "no barge-in was made, or the assistant told none"),
    Metric("playback_stop", "Playback stop", "barge-in", _D, _S, TurnRecord, interruptions.playback_stop,
           "the talker's own VAD hears the barge-in", "virtual speaker silent, output buffer included", _NOT_SILENCED, targets=(Target("p95", "<", 0.050, "SD"),), code="B2"),
    Metric("server_cancel", "Server cancellation", "barge-in", _D, _S, TurnRecord, interruptions.server_cancel,
           "cancel sent, or own detection where the server cancels by itself", "last audio byte of the response", "no response brought audio after a barge-in and was then cancelled",
           targets=(Target("p95", "<", 0.150, "SD"),), code="B3"),
    Metric("buffer_flush", "Buffer flush", "barge-in", _D, _S, TurnRecord, spans.fact("flush_s"),
           "flush begins", "playout queue empty and reset", _NOT_SILENCED, targets=(Target("p95", "<", 0.020, "SD"),), code="B4"),
    Metric("barge_in_latency", "Barge-in latency", "barge-in", _D, _S, TurnRecord, interruptions.barge_in_latency,
           "barge-in onset", "B1 + B2 + B3 + B4; a negative B3 adds nothing", _NOT_SILENCED, targets=(Target("p95", "<", 0.320, "SD"),), code="B1-B4"),
    Metric("stop_by_event", "Stop by event", "barge-in", _D, _S, TurnRecord, spans.from_onset("stop_event_ns"),
           "barge-in onset", "arrival of the event that closes the interrupted response as cancelled", "no response was cancelled"),
    Metric("stop_by_byte", "Stop by byte", "barge-in", _D, _S, TurnRecord, spans.from_onset("stop_byte_ns"),
           "barge-in onset", "last audio byte of the interrupted response", "no audio came after a barge-in, or it never stopped (counted in yield_rate)"),
    Metric("stop_by_ear", "Stop by ear", "barge-in", _D, _S, TurnRecord, spans.from_onset("stop_ear_ns"),
           "barge-in onset", "silence at the speaker had the talker not silenced it", "no barge-in was made, or the assistant never stopped (counted in yield_rate)"),
    Metric("yield_rate", "Yield rate", "barge-in", _R, _SHARE, TurnRecord, interruptions.yielded,
           "barge-ins into a response still being generated", "audio stopped within 2.0 s", "no barge-in fell into a response still being generated", better="higher"),
    Metric("interruption_success", "Interruption success", "barge-in", _R, _SHARE, TurnRecord, interruptions.interruption_success,
           "barge-ins", "yielded to, and the interrupting utterance got its own answer", _NO_BARGE_IN, better="higher", targets=(Target("value", ">", 0.90, "VB"),)),
    Metric("talked_over", "Talked over", "barge-in", _D, _S, TurnRecord, spans.fact("talked_over_s"),
           "barge-in onset", "assistant audio that would have been heard after it", _NO_BARGE_IN),
    *(Metric(f"barge_in_{which.value}", f"Barge-ins: {which.value.replace('_', ' ')}", "barge-in", _R, _SHARE, TurnRecord, interruptions.in_class(which),
             "barge-ins", f"of class {which.value}", _NO_BARGE_IN, better="neutral") for which in BargeInClass),
]  # fmt: skip

_FALSE_ALARM = [
    Metric("false_stop_rate", "False stop rate", "false alarms", _R, _SHARE, TurnRecord, interruptions.false_alarm(lambda r: r.false_stop_ns is not None),
           "false alarms", "assistant inaudible for > 0.5 s, starting within 1.0 s of the false alarm's end, its response unfinished", _NO_FALSE_ALARM),
    Metric("resume_rate", "Resume rate", "false alarms", _R, _SHARE, TurnRecord, interruptions.resume_rate,
           "false stops", "audible again within 3.0 s of the false alarm's end", "no false alarm stopped the assistant", better="higher"),
    Metric("resume_time", "Resume time", "false alarms", _D, _S, TurnRecord, interruptions.resume_time,
           "end of the false alarm", "assistant audible again", "no false alarm stopped the assistant, or it never came back"),
    Metric("false_alarm_resume", "False alarm resume", "false alarms", _R, _SHARE, TurnRecord, interruptions.false_alarm(interruptions.not_stopped),
           "false alarms", "the response plays to its end: not stopped, or resumed", _NO_FALSE_ALARM, better="higher", targets=(Target("value", ">", 0.98, "VB"),)),
    Metric("spurious_response", "Spurious responses", "false alarms", _R, _SHARE, TurnRecord, interruptions.false_alarm(lambda r: r.outcome is Outcome.ANSWERED),
           "false alarms", "answered as if they were turns", _NO_FALSE_ALARM),
]  # fmt: skip

_STREAMING = [
    Metric("jitter", "Jitter", "streaming", _D, _S, TurnRecord, spans.fact("jitter_s"),
           "arrivals of a response's audio messages", "standard deviation of their spacing", "no response brought three audio messages", targets=(Target("p50", "<", 0.030, "SD"),)),
    Metric("rfc3550_jitter", "Jitter (RFC 3550)", "streaming", _D, _S, TurnRecord, spans.fact("rfc3550_jitter_s"),
           "arrivals of a response's audio messages", "smoothed deviation from their audio time; high where audio comes faster than real time", "no response brought two audio messages"),
    Metric("chunk_drop_rate", "Chunk drop rate", "streaming", _R, _SHARE, TurnRecord, lambda _: None,
           "audio chunks sent", "audio chunks lost", "this dialect does not number its audio chunks (and TCP loses none)", targets=(Target("value", "<", 0.001, "SD"),)),
    Metric("underruns", "Underruns", "streaming", _R, Unit.PER_MINUTE, TurnRecord, answers.underruns_per_minute,
           "session time", "times the playout buffer ran empty with the response unfinished", "no turn was made", targets=(Target("value", "<", 1.0, "SD"),), summed=True),
    Metric("underrun", "Underrun duration", "streaming", _D, _S, TurnRecord, lambda r: r.underrun_s if r.underruns else None,
           "playout buffer empty", "audio again, summed over a response that had an underrun", "no underrun happened"),
    Metric("continuity", "Continuity", "streaming", _R, _SHARE, TurnRecord, answers.answered(lambda r: (r.audio_s, r.audio_s + r.underrun_s)),
           "assistant's audio with its gaps", "the part without gaps", _NO_ANSWER, better="higher", targets=(Target("value", ">", 0.98, "SD"),), weighed=True),
    *(Metric(f"c{ms}", f"C{ms}", "streaming", _R, _SHARE, TurnRecord, answers.answered(answers.gaps_under(ms)),
             "responses", f"longest gap under {ms} ms", _NO_ANSWER, better="higher") for ms in (50, 100, 200)),
    Metric("delivery_rtf", "Delivery real-time factor", "streaming", _D, Unit.FACTOR, TurnRecord, answers.delivery_rtf,
           "time to deliver a response", "over the duration of its audio; above 1 it is slower than playback", "no response was received whole"),
    Metric("reconnects_per_hour", "Reconnections", "streaming", _R, Unit.PER_HOUR, SessionRecord, sessions.reconnects_per_hour,
           "hours connected", "reconnections", "no session has ended", targets=(Target("value", "<", 0.5, "SD"),), summed=True),
    Metric("network_quality_index", "Network quality index", "streaming", _D, Unit.INDEX, TurnRecord, answers.network_quality_index,
           "latency, jitter, loss", "1 / (1 + 0.3 latency + 0.5 jitter + 2 loss)", "no round trip or no jitter known", better="higher", targets=(Target("mean", ">", 0.85, "SD"),)),
]  # fmt: skip

_LOAD = [
    Metric("success", "Success", "load", _R, _SHARE, TurnRecord, answers.success,
           "turns, but those cut by the end of the run or broken by chaos or a network profile", "those that got their answer", "no turn was finished", better="higher", targets=(Target("value", ">", 0.95, "VB"),)),
    Metric("session_success", "Session success", "load", _R, _SHARE, SessionRecord, sessions.session_success,
           "sessions, but those broken by chaos or a network profile", "that became ready and were not lost", "no session has ended", better="higher", targets=(Target("value", ">", 0.995, "SD"),)),
    Metric("calls_begun", "Calls begun", "load", _R, _SHARE, SampleRecord, samples.calls_begun,
           "calls that open arrivals had planned, second by second", "those that found their talker free, and began: the others were turned away by the tester", "arrivals are not open: who has hung up calls again", better="higher", summed=True),
    Metric("token_success", "Token success", "load", _R, _SHARE, TokenRecord, sessions.token_success,
           "token requests", "that brought a token", "no token was asked for", better="higher"),
    Metric("availability", "Availability", "load", _R, _SHARE, SessionRecord, sessions.availability,
           "time connected, and time in which a talker wanted a session and had none", "the part connected", "no session became ready or was missed", better="higher", targets=(Target("value", ">", 0.995, "SD"),), weighed=True),
    Metric("abandonment", "Abandonment", "load", _R, _SHARE, SessionRecord, sessions.abandonment,
           "calls that their talkers ended", "given up, as no answer was heard within the talker's patience", "no call was ended by its talker"),
    Metric("automatic_recovery_rate", "Automatic recovery", "load", _R, _SHARE, SessionRecord, sessions.recovery,
           "sessions lost", "re-established before the end of the run", "no session was lost", better="higher", targets=(Target("value", ">", 0.95, "SD"),)),
    Metric("time_to_recover", "Time to recover", "load", _D, _S, SessionRecord, sessions.time_to_recover,
           "session lost", "its successor ready, were it in a later call; one that never came counts as infinite in criteria", "no session was lost and re-established", targets=(Target("max", "<", 30.0, "SD"),),
           whole="automatic_recovery_rate"),
]  # fmt: skip

_TARGET = [
    Metric("target_availability", "Target availability", "target", _R, _SHARE, SampleRecord, samples.target_availability,
           "seconds in which the target was asked", "it answered at all of its URLs", _NO_TARGET, better="higher", targets=(Target("value", ">", 0.995, "SD"),), summed=True),
    Metric("target_cpu", "Target CPU", "target", _D, _SHARE, SampleRecord, samples.sampled("target_cpu_share"),
           "a second of the target", "CPU that it took, as a share of one core", _NOT_TOLD, summed=True),
    Metric("target_memory", "Target memory", "target", _D, Unit.BYTES, SampleRecord, samples.sampled("target_memory_bytes"),
           "a second of the target", "its resident memory", _NOT_TOLD, summed=True),
    Metric("target_memory_per_session", "Target memory per session", "target", _D, Unit.BYTES, SampleRecord, samples.target_memory_per_session,
           "a second of the target with a session open", "its resident memory over its open sessions: with few, that of the process itself", _NOT_TOLD, targets=(Target("mean", "<", 50e6, "SD"),)),
    Metric("target_memory_growth", "Target memory growth", "target", _T, Unit.BYTES_PER_HOUR, SampleRecord, samples.grown("target_memory_bytes"),
           "the target's resident memory once the load has settled", "its growth, by least squares", _NOT_TOLD, summed=True),
    Metric("tester_memory_growth", "Tester memory growth", "target", _T, Unit.BYTES_PER_HOUR, SampleRecord, samples.grown("tester_memory_bytes"),
           "the workers' resident memory once the load has settled", "its growth, by least squares", "the run ended before its load had settled", summed=True),
]  # fmt: skip

METRICS: dict[str, Metric] = {m.name: m for m in [*_LOAD, *_LATENCY, *_BARGE_IN, *_FALSE_ALARM, *_STREAMING, *_TARGET]}
"""Every metric by its name, in the order in which screens show them."""

TABLES = ("load", "latency", "barge-in", "false alarms", "streaming", "target")
"""The catalogue's tables, in the order in which screens show them."""


def of(record_type: type) -> tuple[Metric, ...]:
    """The metrics that are read off records of this type."""
    return tuple(m for m in METRICS.values() if m.record is record_type)
