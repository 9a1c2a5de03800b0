"""The options of the raw wire: how a home-grown server writes audio, and what its messages mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from protocol.dialect import RATES, Encoding, Fact

_FIELDS: Final = {
    "audio_type": "audio_field",
    "transcript_type": "transcript_field",
    "text_type": "text_field",
    "error_type": "error_field",
}
"""Types of messages that hold something, and where."""
_FACTS: Final = {
    "speech_started_type": Fact.SPEECH_STARTED,
    "speech_stopped_type": Fact.SPEECH_STOPPED,
    "transcript_type": Fact.TRANSCRIPT,
    "begins_type": Fact.CREATED,
    "text_type": Fact.TEXT,
    "ends_type": Fact.DONE,
    "clear_type": Fact.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Options:
    """A field is named with dots where it lies within others, such as `data.audio`. A type is the value of `type_field`; "": there is none
    such. Raises ValueError for options that do not fit."""

    path: str = ""
    """Path of the WebSocket below the host, where the host does not name it."""
    hello: str = ""
    """A text message that opens the session; "": none."""
    goodbye: str = ""
    """A text message before the talker hangs up; "": none."""
    json: bool = False
    """Microphone audio goes as base64 in JSON, not as binary. The assistant's is taken either way."""
    input_rate: int = 16_000
    """Of microphone audio, Hz: 8000, 16000, 24000 or 48000."""
    input_encoding: str = "pcm16"
    """Of microphone audio: pcm16, mulaw or alaw."""
    input_wav: bool = False
    """Each message of microphone audio is a WAV file (PCM16, mono)."""
    output_rate: int = 16_000
    """As `input_rate`, of the assistant's audio."""
    output_encoding: str = "pcm16"
    """As `input_encoding`, of the assistant's audio."""
    output_wav: bool = False
    """Each message of the assistant's audio is a WAV file, whose rate and width are checked."""
    type_field: str = "type"
    """Where a message in JSON says what it is."""
    input_type: str = "audio"
    """Type of microphone audio in JSON; "": it goes without."""
    input_field: str = "audio"
    """Where microphone audio stands in JSON."""
    audio_type: str = "audio"
    """Type of the assistant's audio in JSON; "": whatever has `audio_field`."""
    audio_field: str = "audio"
    """Where the assistant's audio stands in JSON."""
    ready_type: str = ""
    """The session is ready; "": it is at once."""
    clear_type: str = "clear"
    """What was sent is not to be played any more."""
    speech_started_type: str = ""
    """The assistant hears the talker begin."""
    speech_stopped_type: str = ""
    """The assistant hears the talker end."""
    transcript_type: str = ""
    """What the assistant understood, in `transcript_field`."""
    transcript_field: str = "text"
    begins_type: str = ""
    """A response begins; with `ends_type`."""
    ends_type: str = ""
    """A response is complete; with `begins_type`."""
    text_type: str = ""
    """Words of a response, as they come, in `text_field`."""
    text_field: str = "text"
    error_type: str = ""
    """Something went wrong, in `error_field`."""
    error_field: str = "message"

    def __post_init__(self) -> None:
        for name in ("input_rate", "output_rate"):
            if getattr(self, name) not in RATES:
                raise ValueError(f"{name} {getattr(self, name)}: there are {', '.join(map(str, RATES))}")
        for name in ("input_encoding", "output_encoding"):
            if getattr(self, name) not in list(Encoding):
                raise ValueError(f"{name} {getattr(self, name)!r:.60}: there are {', '.join(Encoding)}")
        for side in ("input", "output"):
            if getattr(self, f"{side}_wav") and getattr(self, f"{side}_encoding") != Encoding.PCM16:
                raise ValueError(f"{side}_wav takes {side}_encoding pcm16, not {getattr(self, f'{side}_encoding')}")
        if bool(self.begins_type) != bool(self.ends_type):
            given, lacking = ("begins_type", "ends_type") if self.begins_type else ("ends_type", "begins_type")
            raise ValueError(f"{given} without {lacking}: give both, or neither, and responses are told apart by ear")
        for name in ("type_field", "input_field", *_FIELDS.values()):
            if not all(getattr(self, name).split(".")):
                raise ValueError(f"{name} {getattr(self, name)!r:.60}: write a name, or names with dots between them")
        for kind, name in {**_FIELDS, **({"input_type": "input_field"} if self.json else {})}.items():
            if getattr(self, kind) and _clash(self.type_field, getattr(self, name)):
                raise ValueError(f"{name} {getattr(self, name)!r:.60} and type_field {self.type_field!r:.60} cannot both be in a message")
        self._check_types()

    def _check_types(self) -> None:
        """Each type means one thing."""
        known: dict[str, str] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_type") and field.name != "input_type" and value:
                if value in known:
                    raise ValueError(f"{field.name} and {known[value]} are both {value!r:.60}: a message would mean two things")
                known[value] = field.name


def facts(options: Options) -> frozenset[Fact]:
    """What a server of these options tells."""
    return frozenset(fact for name, fact in _FACTS.items() if getattr(options, name))


def facts_by_option() -> frozenset[Fact]:
    """What a server may tell where options say how."""
    return frozenset(_FACTS.values()) - facts(Options())


def value_at(message: dict[str, Any], field: str) -> Any:
    """What stands in a field, whose name may have dots; None where nothing does."""
    value: Any = message
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def within(field: str, value: str) -> dict[str, Any]:
    """A message with this value in the field alone."""
    first, _, rest = field.partition(".")
    return {first: within(rest, value) if rest else value}


def merged(*messages: dict[str, Any]) -> dict[str, Any]:
    """The fields of all of them."""
    made: dict[str, Any] = {}
    for message in messages:
        for name, value in message.items():
            there = made.get(name)
            made[name] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return made


def _clash(one: str, other: str) -> bool:
    """Whether one field lies where the other is."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
