"""Before a run: one session is opened and closed, so that a wrong host, key or certificate is told at once and not by every talker."""

from __future__ import annotations

from urllib.parse import urlsplit

from metrics.records import ErrorKind, SessionOutcome
from protocol import Grant
from scenarios import ScenarioError
from users.clock import now_ns
from users.errors import LocalError, RemoteError
from users.hidden import hidden, spelled
from users.mint import http_client, request_grant
from users.resolver import remember_names
from users.run import Run
from users.session import Session

CLIENT = "preflight"
_LISTEN_S = 0.3
"""For which one is listened to that does not say that it is ready: it may close the session at once."""
_ADVICE = {
    ErrorKind.CONNECT: "is the assistant running, and is --host right?",
    ErrorKind.AUTH: "it wants another way in than --auth {auth}, or another key (--api-key-env)",
    ErrorKind.HANDSHAKE: "is this the URL of an assistant that speaks {dialect}?",
    ErrorKind.PROTOCOL: "does it speak {dialect}?",
    ErrorKind.TIMEOUT: "it accepts connections but does not answer in time (limits.setup_s)",
    ErrorKind.ASSISTANT_ERROR: "look at its log",
    ErrorKind.REMOTE_CLOSE: "does it speak {dialect}? look at its log",
}


def preflight(run: Run) -> None:
    """Prepare the clips, open a session and hang up.

    Raises ScenarioError where the assistant cannot be talked to; being rate-limited is no reason.
    """
    run.prepared.all(run.planner.spoken())
    remember_names()
    session: Session | None = None
    try:
        grant = _grant(run)
        session = Session(run, -1, 0, None, client=CLIENT)
        session.open(grant)
        if run.dialect().ready_at_once:  # the assistant has said nothing yet
            session.wake.clear()
            session.wake.wait(_LISTEN_S)
            session.check()
        session.hang_up()
    except RemoteError as error:
        if error.kind is ErrorKind.RATE_LIMITED:
            return
        advice = _ADVICE[error.kind].format(auth=run.options.auth, dialect=run.options.dialect)
        if session is None and error.kind in (ErrorKind.ASSISTANT_ERROR, ErrorKind.PROTOCOL):
            advice = "check the scenario's access, and --auth" if run.scenario.access.given else "check --token-path, and --auth"
        if session is not None and str(error).endswith("HTTP status 403"):
            advice += f", or it has no WebSocket {_where(run)}: servers of FastAPI's kind answer so, too"
        if "certificate" in str(error):
            advice = "name the authority that signed it with --tls-ca FILE (or trust anything: --tls-insecure)"
        raise ScenarioError(hidden(f"{run.place} cannot be called: {error}; {advice}", spelled(run.secrets.values()))) from None
    except LocalError as error:
        raise ScenarioError(f"--dialect {run.options.dialect}: {error}") from None
    finally:
        if session is not None:
            session.close(SessionOutcome.HUNG_UP)


def _where(run: Run) -> str:
    """The path that was called, where it is the host's and the dialect's: one out of a reply may be a secret."""
    return "there" if run.mint is not None else f"at {urlsplit(run.dialect().endpoint(run.host, run.scenario.session.model)).path}"


def _grant(run: Run) -> Grant:
    if run.mint is None:
        return Grant(run.key)
    http = http_client(run.mint)
    try:
        grant, record = request_grant(http, run.mint, CLIENT, CLIENT, None, now_ns())
    finally:
        http.close()
    if grant is None:
        wanted = "session URL" if run.mint.recipe.url_pointers else "token"
        raise RemoteError(record.error_kind or ErrorKind.PROTOCOL, f"no {wanted} from {run.mint.place}: {record.error}")
    return grant
