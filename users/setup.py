"""What an assistant tells before a session is ready to converse."""

from __future__ import annotations

from metrics.records import ErrorKind
from protocol.events import AssistantError, Event, SessionCreated, SessionUpdated, whole
from users.errors import RemoteError


class Setup:
    """Of one session. Each is None until it was told: the session's `id`, when the first event came, when the session was `ready_ns` (on
    a wire that has no word for it: as soon as it was configured), and the assistant's end-of-turn silence window `silence_ms`."""

    __slots__ = ("first_event_ns", "id", "ready_ns", "silence_ms")

    def __init__(self) -> None:
        self.id: str | None = None
        self.first_event_ns: int | None = None
        self.ready_ns: int | None = None
        self.silence_ms: int | None = None

    def event(self, arrived_ns: int, event: Event) -> RemoteError | None:
        """Take what came before the session was ready; returns why no session comes of it, None where one still may."""
        if isinstance(event, SessionCreated):
            self.id = event.session_id
        elif isinstance(event, SessionUpdated):
            self.ready_ns = arrived_ns
            self.silence_ms = _silence_ms(event.settings)
        elif isinstance(event, AssistantError) and not event.benign:
            why = event.code or event.message[:99]
            return RemoteError(ErrorKind.PROTOCOL, f"the assistant refused the session's settings: {why}")
        return None


def _silence_ms(settings: dict[str, object]) -> int | None:
    """The end-of-turn silence window that the assistant echoes: in the GA or the beta place; None if it tells none."""
    audio = settings.get("audio")
    place = audio.get("input") if isinstance(audio, dict) else settings
    detection = place.get("turn_detection") if isinstance(place, dict) else None
    return whole(detection.get("silence_duration_ms")) if isinstance(detection, dict) else None
