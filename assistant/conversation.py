"""The items of one conversation, and what clients may do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.shapes import RefusedError

MAX_ITEMS = 1000  # a conversation forgets its oldest items beyond this many


@dataclass(slots=True)
class Entry:
    """An item in GA shape; `audio_ms`: assistant audio sent so far, None for items that are not spoken answers;
    `truncated`: cut by the client, so its transcript is forgotten for good."""

    item: dict[str, Any]
    audio_ms: int | None = None
    truncated: bool = False


class Conversation:
    """Items in order, by id. `words`: text spoken so far, for the token counts."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._entries: dict[str, Entry] = {}
        self.last_id: str | None = None
        self.words = 0

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, item: dict[str, Any], *, audio_ms: int | None = None) -> str | None:
        """Adds an item at the end; returns the id of the one before it."""
        previous = self.last_id
        self._entries[item["id"]] = Entry(item, audio_ms)
        self.last_id = item["id"]
        self._forget_oldest()
        return previous

    def _forget_oldest(self) -> None:
        if len(self._entries) > MAX_ITEMS:
            del self._entries[next(iter(self._entries))]

    def insert(self, item: dict[str, Any], after: str | None) -> str | None:
        """Adds an item after another ('root': first; None: last); returns the id before it. Raises RefusedError."""
        if item["id"] in self._entries:
            raise RefusedError(f"Item with item_id already exists: {item['id']}", "item.id", "item_id_already_exists")
        if after is None or after == self.last_id:
            return self.append(item)
        entries = list(self._entries.items())
        if after == "root":
            place = 0
        else:
            self.get(after, "previous_item_id")
            place = next(index for index, (item_id, _) in enumerate(entries) if item_id == after) + 1
        entries.insert(place, (item["id"], Entry(item)))
        self._entries = dict(entries)
        self.last_id = entries[-1][0]
        self._forget_oldest()
        return None if after == "root" else after

    def get(self, item_id: Any, param: str = "item_id") -> Entry:
        """Raises RefusedError where there is no such item."""
        entry = self._entries.get(item_id) if isinstance(item_id, str) else None
        if entry is None:
            raise RefusedError(f"Item with item_id not found: {item_id}", param, "item_not_found")
        return entry

    def finish(self, item: dict[str, Any]) -> None:
        """Replaces an item by its final form; nothing where a client has deleted it."""
        entry = self._entries.get(item["id"])
        if entry is not None:
            entry.item = _silenced(item) if entry.truncated else item

    def transcribe(self, item_id: str, transcript: str) -> None:
        """Notes what was said in a user's item; nothing where a client has deleted it."""
        if item_id in self._entries:
            self._entries[item_id].item["content"][0]["transcript"] = transcript

    def delete(self, item_id: Any) -> None:
        self.get(item_id)
        del self._entries[item_id]
        self.last_id = next(reversed(self._entries), None)

    def truncate(self, item_id: Any, content_index: Any, audio_end_ms: Any) -> None:
        """Cuts a spoken answer to what was heard and forgets its transcript. Raises RefusedError."""
        entry = self.get(item_id)
        if entry.audio_ms is None:
            raise RefusedError("Only model output audio messages can be truncated", "item_id")
        if content_index != 0 or isinstance(content_index, bool):
            raise RefusedError("content_index must be 0", "content_index")
        if not isinstance(audio_end_ms, int) or isinstance(audio_end_ms, bool) or audio_end_ms < 0:
            raise RefusedError("audio_end_ms must be an integer of at least 0", "audio_end_ms")
        if audio_end_ms > entry.audio_ms:
            message = f"Audio content of {entry.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise RefusedError(message, "audio_end_ms")
        entry.audio_ms, entry.truncated = audio_end_ms, True
        entry.item = _silenced(entry.item)


def _silenced(item: dict[str, Any]) -> dict[str, Any]:
    """The item without its transcripts."""
    return {**item, "content": [{**part, "transcript": ""} for part in item["content"]]}
