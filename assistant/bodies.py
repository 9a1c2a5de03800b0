"""The bodies of HTTP requests: JSON, of a size that a request for a token or a call may have."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request

MAX_BODY = 256 * 1024  # bytes


class BodyError(Exception):
    """A request body that cannot be used. `status`: of HTTP; `param`: what in it is wrong, None where that has no name."""

    def __init__(self, status: int, text: str, param: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.param = param


async def read_json(request: Request, unreadable: int = 422) -> Any:
    """The body as JSON, {} where it is empty. Raises BodyError: 413 where it is too long, `unreadable` where it is no JSON."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise BodyError(413, f"The body exceeds {MAX_BODY} bytes.")
    try:
        return orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as wrong:
        raise BodyError(unreadable, f"The body is not JSON: {wrong}") from None
