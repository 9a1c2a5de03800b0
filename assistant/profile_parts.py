"""The sections of a profile: one for each thing that the assistant does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from assistant.delays import Distribution, Seconds, Section, fixed

MAX_SESSION_S = 7 * 86400.0

Rate = Annotated[float, Field(ge=0, le=1)]
Pace = Literal["burst"] | Annotated[float, Field(ge=0.1, le=1000)]


class Asr(Section):
    delay: Distribution = Field(fixed(0.05), description="end of turn -> final transcript")
    word_error_rate: Rate = Field(0.0, description="share of words replaced, dropped or doubled in transcripts")


class Llm(Section):
    delay: Distribution = Field(fixed(0.05), description="response.created -> first transcript delta")


class Tts(Section):
    delay: Distribution = Field(fixed(0.05), description="first transcript delta -> first audio delta")


class Endpointing(Section):
    extra: Distribution = Field(fixed(0.0), description="added to the VAD's silence window before speech_stopped is sent")


class Gaps(Section):
    """Stalls in the middle of an answer, timed so that a listener hears them whatever the lead of the audio sent so far."""

    rate: Rate = Field(0.0, description="share of responses with one stall")
    after_s: Seconds = Field(1.0, description="audio sent before the stall")
    silence_s: Distribution = Field(fixed(0.4), description="silence that a listener with the usual playout delay hears")


class Interruption(Section):
    stop_delay_s: Distribution = Field(fixed(0.0), description="speech_started -> the audio stops")
    ignore_rate: Rate = Field(0.0, description="share of barge-ins not reacted to; answered after the response has ended")


class FalseAlarm(Section):
    """What a backchannel or a noise does while the assistant is heard. What is left of the two rates is ignored."""

    mistake_rate: Rate = Field(0.0, description="share taken for an interruption: the audio pauses")
    resume_rate: Rate = Field(1.0, description="share of the mistakes that resume; the others stay silent")
    resume_delay_s: Distribution = Field(fixed(0.8), description="end of the false alarm's speech -> the audio goes on")
    answer_rate: Rate = Field(0.0, description="share taken for a turn: the response is cancelled and an answer made")
    announce: bool = Field(False, description="send speech_started and speech_stopped for ignored ones too")

    @model_validator(mode="after")
    def _shares(self) -> FalseAlarm:
        if self.mistake_rate + self.answer_rate > 1:
            raise ValueError("mistake_rate + answer_rate must not exceed 1")
        return self


class Failures(Section):
    """Faults per turn, each a share of turns; `mint` is a share of token requests."""

    asr: Rate = Field(0.0, description="transcription fails, response.done failed")
    llm: Rate = Field(0.0, description="fails before the first token")
    tts: Rate = Field(0.0, description="fails between the first token and the first audio")
    rate_limit: Rate = Field(0.0, description="response.done failed with code rate_limit_exceeded")
    no_answer: Rate = Field(0.0, description="the turn is transcribed and never answered")
    drop_session: Rate = Field(0.0, description="the connection is lost after the turn, without a close frame")
    mint: Rate = Field(0.0, description="a token request gets HTTP 500")


class Sessions(Section):
    max_s: Annotated[float, Field(gt=0, le=MAX_SESSION_S)] = Field(3600.0, description="longest session: then session_expired, close 1001")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="more get HTTP 503; null: no limit")


class Capacity(Section):
    slots: Annotated[int, Field(ge=1)] | None = Field(None, description="responses made at a time; the others queue")
    held_by: Literal["response", "session"] = Field(
        "response", description="what holds a slot: a response while it is made, or a session from its first response to its end"
    )
    slowdown_per_session: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="LLM delay grows by this share per other open session"
    )


class Tokens(Section):
    per_second: Annotated[float, Field(ge=0.001, le=1e6)] = Field(100.0, description="tokens a client may mint per second")
    burst: Annotated[int, Field(ge=1)] = Field(200, description="tokens a client may mint at once")
    ttl_s: Annotated[int, Field(ge=10, le=7200)] = Field(600, description="life of a token from /rt-token")
    delay: Distribution = Field(fixed(0.0), description="time to mint a token")
