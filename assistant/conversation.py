"""The items of one conversation, and what clients may do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONTENT = {"user": {"input_text", "input_audio", "input_image"}, "system": {"input_text"}}
CONTENT["assistant"] = {"output_text", "output_audio", "text", "audio"}
OTHER_TYPES = {"function_call", "function_call_output", "mcp_approval_response"}
MAX_ITEMS = 1000  # a conversation forgets its oldest items beyond this many


class ItemError(ValueError):
    """What a client asked of an item cannot be done."""

    def __init__(self, message: str, param: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(slots=True)
class Entry:
    """An item in GA shape; `audio_ms`: assistant audio sent so far, None for items that are not spoken answers."""

    item: dict[str, Any]
    audio_ms: int | None = None


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
        if len(self._entries) > MAX_ITEMS:
            del self._entries[next(iter(self._entries))]
        return previous

    def insert(self, item: dict[str, Any], after: str | None) -> str | None:
        """Adds an item after another ('root': first; None: last); returns the id before it. Raises ItemError."""
        if item["id"] in self._entries:
            raise ItemError(f"Item with item_id already exists: {item['id']}", "item.id", "item_id_already_exists")
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
        return None if after == "root" else after

    def get(self, item_id: Any, param: str = "item_id") -> Entry:
        """Raises ItemError where there is no such item."""
        entry = self._entries.get(item_id) if isinstance(item_id, str) else None
        if entry is None:
            raise ItemError(f"Item with item_id not found: {item_id}", param, "item_not_found")
        return entry

    def finish(self, item: dict[str, Any]) -> None:
        """Replaces an item by its final form; nothing where a client has deleted it."""
        if item["id"] in self._entries:
            self._entries[item["id"]].item = item

    def transcribe(self, item_id: str, transcript: str) -> None:
        """Notes what was said in a user's item; nothing where a client has deleted it."""
        if item_id in self._entries:
            self._entries[item_id].item["content"][0]["transcript"] = transcript

    def delete(self, item_id: Any) -> None:
        self.get(item_id)
        del self._entries[item_id]
        self.last_id = next(reversed(self._entries), None)

    def truncate(self, item_id: Any, content_index: Any, audio_end_ms: Any) -> None:
        """Cuts a spoken answer to what was heard and forgets its transcript. Raises ItemError."""
        entry = self.get(item_id)
        if entry.audio_ms is None:
            raise ItemError("Only model output audio messages can be truncated", "item_id")
        if content_index != 0 or isinstance(content_index, bool):
            raise ItemError("content_index must be 0", "content_index")
        if not isinstance(audio_end_ms, int) or isinstance(audio_end_ms, bool) or audio_end_ms < 0:
            raise ItemError("audio_end_ms must be an integer of at least 0", "audio_end_ms")
        if audio_end_ms > entry.audio_ms:
            message = f"Audio content of {entry.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise ItemError(message, "audio_end_ms")
        entry.audio_ms = audio_end_ms
        for part in entry.item["content"]:
            part["transcript"] = ""


def checked_item(given: Any, fresh_id: str) -> dict[str, Any]:
    """The item of conversation.item.create, completed. Raises ItemError."""
    if not isinstance(given, dict):
        raise ItemError("Missing required parameter: 'item'.", "item", "missing_required_parameter")
    item_id = given.get("id") or fresh_id
    if not isinstance(item_id, str) or len(item_id) > 64:
        raise ItemError("item.id must be a string of at most 64 characters", "item.id")
    kind = given.get("type")
    if kind in OTHER_TYPES:
        return {"object": "realtime.item", "status": "completed", **_other(given), "id": item_id}
    if kind != "message":
        raise ItemError(f"Invalid value for 'item.type': {kind!r}", "item.type")
    role, content = given.get("role"), given.get("content")
    if role not in CONTENT:
        raise ItemError(f"Invalid value for 'item.role': {role!r}", "item.role")
    if not isinstance(content, list) or not content:
        raise ItemError("item.content must be a list of parts", "item.content")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in CONTENT[role]:
            raise ItemError(f"Invalid content for role {role}", f"item.content[{index}].type")
    parts = [{name: value for name, value in part.items() if name != "audio"} for part in content]
    rename = {"text": "output_text", "audio": "output_audio"}
    parts = [{**part, "type": rename.get(part["type"], part["type"])} for part in parts]
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": role,
        "content": parts,
    }


def _other(given: dict[str, Any]) -> dict[str, Any]:
    needed = {
        "function_call": ("name", "arguments"),
        "function_call_output": ("call_id", "output"),
        "mcp_approval_response": ("approval_request_id", "approve"),
    }
    for name in needed[given["type"]]:
        kind = bool if name == "approve" else str
        if not isinstance(given.get(name), kind):
            raise ItemError(f"Missing required parameter: 'item.{name}'.", f"item.{name}", "missing_required_parameter")
    return given
