"""The items that a client may put into a conversation."""

from __future__ import annotations

from typing import Any

from assistant.shapes import Check, RefusedError, choice, fields, flag, missing, text

CONTENT = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio", "text", "audio"),
}
CURRENT_CONTENT = {"text": "output_text", "audio": "output_audio"}  # the beta's names
PART = fields({}, text=text, transcript=text, image_url=text, detail=choice("auto", "low", "high"))
STATUS = choice("completed", "incomplete", "in_progress")
OTHER_ITEMS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {  # needed fields, others
    "function_call": ({"name": text, "arguments": text}, {"call_id": text, "status": STATUS}),
    "function_call_output": ({"call_id": text, "output": text}, {"status": STATUS}),
    "mcp_approval_response": ({"approval_request_id": text, "approve": flag}, {"reason": text}),
}
MAX_ID = 64


def message_item(item_id: str, role: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """A conversation item of type message, in GA shape."""
    return {"id": item_id, "object": "realtime.item", "type": "message", "status": status, "role": role, "content": content}


def spoken_part(transcript: str) -> dict[str, Any]:
    return {"type": "output_audio", "transcript": transcript}


def heard_part(transcript: str | None) -> dict[str, Any]:
    return {"type": "input_audio", "transcript": transcript}


def checked_item(given: Any, fresh_id: str) -> dict[str, Any]:
    """The item of conversation.item.create in GA shape: completed, without sound and without fields that it does not have.
    Raises RefusedError."""
    if not isinstance(given, dict):
        raise missing("item")
    item_id = given.get("id") or fresh_id
    if not isinstance(item_id, str) or len(item_id) > MAX_ID:
        raise RefusedError(f"item.id must be a string of at most {MAX_ID} characters", "item.id")
    kind = given.get("type")
    if kind == "message":
        role = given.get("role")
        if not isinstance(role, str) or role not in CONTENT:
            raise RefusedError(f"Invalid value for 'item.role': {role!r:.80}", "item.role")
        return message_item(item_id, role, "completed", _parts(role, given.get("content")))
    if not isinstance(kind, str) or kind not in OTHER_ITEMS:
        raise RefusedError(f"Invalid value for 'item.type': {kind!r:.80}", "item.type")
    needed, others = OTHER_ITEMS[kind]
    for name in needed:
        if name not in given:
            raise missing(name, f"item.{name}")
    for name, check in {**needed, **others}.items():
        if name in given and (wrong := check(given[name])):
            raise RefusedError(f"Invalid value for 'item.{name}': {wrong}.", f"item.{name}")
    kept = {name: given[name] for name in (*needed, *others) if name in given}
    if kind != "mcp_approval_response":
        kept = {"object": "realtime.item", "status": "completed", **kept}
    return {"id": item_id, "type": kind, **kept}


def _parts(role: str, content: Any) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not content:
        raise RefusedError("item.content must be a list of parts", "item.content")
    for index, part in enumerate(content):
        at = f"item.content[{index}]"
        if wrong := choice(*CONTENT[role])(part.get("type") if isinstance(part, dict) else None):
            raise RefusedError(f"Invalid content for role {role}: {wrong}.", f"{at}.type")
        if wrong := PART(part):
            raise RefusedError(f"Invalid value in '{at}': {wrong}.", at)
    parts = [{name: value for name, value in part.items() if name != "audio"} for part in content]
    return [{**part, "type": CURRENT_CONTENT.get(part["type"], part["type"])} for part in parts]
