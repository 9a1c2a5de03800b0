"""What utterances, barge-ins and sessions come to, and whose door a failure is laid at: the words of records, columns and screens."""

from __future__ import annotations

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
    """It never became ready, or, on a wire without a word for that, was closed before it had lasted or brought audio."""
    LOST = "connection_lost"
    """It was ready, and ended before the talker hung up."""
    CUT_BY_RUN_END = "cut_by_run_end"
    """The run ended under way."""
