"""A client of Ultravox's server WebSocket and our assistant.

Ultravox's own clients (`ultravox-client` on PyPI and npm) speak WebRTC by LiveKit and cannot join a server WebSocket; Pipecat's service
does.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from interop_environment import assistant, held, python_with, questions, told

pytestmark = pytest.mark.interop


def test_pipecats_ultravox_service_converses_with_the_assistant(tmp_path: Path) -> None:
    python = python_with("pipecat-ai[websocket]>=1.14,<2")
    with assistant(tmp_path, profile="ideal") as (url, truth):
        saw = held(python, "ultravox_client.py", f"{url}/api/calls", *map(str, questions(tmp_path, 48_000)))
    first, second = told(truth, "response")
    assert (first["status"], second["status"]) == ("cancelled", "completed")
    assert [one["reaction"] for one in told(truth, "barge_in")] == ["cancelled"]
    assert saw["audio_s"] == pytest.approx((first["audio_samples"] + second["audio_samples"]) / 48_000, abs=0.1)
    heard = [what for what in saw["told"] if what != "text"]
    interrupted = heard.index("interruption")
    assert heard[:interrupted].count("started") == 1
    assert heard[interrupted:].count("started") == 1
    assert (heard.count("stopped"), heard.count("transcript")) == (2, 2)
    assert "text" in saw["told"]
