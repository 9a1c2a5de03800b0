"""What a session received, counted."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.events import AssistantError, AudioDelta, Event, RateLimits, Unknown


@dataclass(slots=True)
class Counted:
    """Counts of one session; but for the samples, the names are those of SessionRecord's fields."""

    audio_samples_received: int = 0
    unknown_events: int = 0
    malformed_messages: int = 0
    benign_errors: int = 0
    assistant_errors: int = 0
    rate_limits_seen: int = 0

    def event(self, event: Event) -> None:
        """Count what the assistant told."""
        if type(event) is AudioDelta:
            self.audio_samples_received += event.samples
        elif isinstance(event, Unknown):
            self.unknown_events += 1
        elif isinstance(event, RateLimits):
            self.rate_limits_seen += 1
        elif isinstance(event, AssistantError):
            if event.benign:
                self.benign_errors += 1
            else:
                self.assistant_errors += 1
