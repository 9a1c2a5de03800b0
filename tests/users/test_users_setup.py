"""What comes before a session is ready: why none comes of it, and what is no reason."""

from __future__ import annotations

import pytest

from protocol.events import AssistantError, SessionCreated, SessionUpdated
from users.setup import Setup


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AssistantError("invalid_value", "No."), "the assistant refused the session's settings: invalid_value"),
        (AssistantError(None, "the agent hears 'pcm_8000'"), "the assistant refused the session's settings: the agent hears 'pcm_8000'"),
    ],
)
def test_an_error_refuses_the_session(error: AssistantError, why: str) -> None:
    refused = Setup().event(7, error)
    assert refused is not None
    assert (refused.kind, str(refused)) == ("protocol", why)


def test_a_warning_does_not() -> None:
    setup = Setup()
    told = [SessionCreated("s1", {}), AssistantError("SLOW_THINK", "Slow.", benign=True), SessionUpdated({})]
    assert [setup.event(t_ns, event) for t_ns, event in enumerate(told)] == [None, None, None]
    assert (setup.id, setup.ready_ns) == ("s1", 2)
