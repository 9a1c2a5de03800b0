"""Locust's web form: what is wrong with it is told in the form, before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, jsonify, request
from flask_login import current_user


def check_form(environment: Any, web_ui: Any, prepare: Callable[[Mapping[str, str]], None]) -> None:
    """Call `prepare` with the form before Locust starts a run; where it raises ValueError, its text is shown and nothing starts."""

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def _check() -> Response | None:
        if request.endpoint != "locust.swarm":
            return None
        if environment.parsed_options.web_login and not current_user.is_authenticated:
            return None
        try:
            prepare(request.form)
        except ValueError as error:
            return jsonify({"success": False, "message": str(error), "host": environment.host})
        return None
