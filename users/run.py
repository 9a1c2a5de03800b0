"""One run: everything that its talkers share, made from the options before the first of them starts."""

from __future__ import annotations

import heapq
import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audio import CorpusError, frame_samples, load_corpus
from metrics.criteria import Criterion, CriterionError, parse
from protocol import DIALECTS, Dialect, SessionSettings
from scenarios import Planner, Scenario, ScenarioError, load_scenario
from users.mint import Mint
from users.pacer import Pacer
from users.prepared import Prepared

TOKEN, KEY, NONE = "token", "key", "none"
AUTHS = (TOKEN, KEY, NONE)
"""How talkers get in: an ephemeral token minted per session, the API key itself, or nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose besides the scenario. Secrets are not here: they are read from the environment when the run is made."""

    scenario: str = "baseline"
    host: str | None = None
    dialect: str = "openai-realtime"
    frame_ms: float = 20.0
    corpus: str = ""
    seed: int = 1
    auth: str = TOKEN
    token_path: str = "/rt-token"
    api_key_env: str = "OPENAI_API_KEY"
    tls_ca: str = ""
    tls_insecure: bool = False


class Roster:
    """Hands out talker numbers: the lowest free one, so that a run's talkers are always 0 to n-1."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0

    def take(self) -> int:
        """A number that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        """The talker has left."""
        heapq.heappush(self._free, number)

    def present(self) -> int:
        """How many talkers are in the run."""
        return self._next - len(self._free)


@dataclass(slots=True)
class Run:
    """What all talkers of a run share in this process."""

    options: Options
    scenario: Scenario
    criteria: tuple[Criterion, ...]
    host: str
    planner: Planner
    prepared: Prepared
    tls: ssl.SSLContext
    mint: Mint | None
    key: str | None = field(repr=False)
    pacer: Pacer = field(default_factory=Pacer)
    roster: Roster = field(default_factory=Roster)

    def dialect(self) -> Dialect:
        """A dialect for a new session."""
        return DIALECTS[self.options.dialect]()

    @property
    def settings(self) -> SessionSettings:
        """What a talker asks of its session."""
        asked = self.scenario.session
        return SessionSettings(**asked.model_dump())


def make_run(options: Options) -> Run:
    """Check everything that can be checked before a talker starts. Raises ScenarioError with one line: what, where, what to do."""
    scenario = load_scenario(options.scenario)
    if options.dialect not in DIALECTS:
        raise ScenarioError(f"--dialect {options.dialect!r}: there are {', '.join(DIALECTS)}")
    if options.auth not in AUTHS:
        raise ScenarioError(f"--auth {options.auth!r}: there are {', '.join(AUTHS)}")
    dialect = DIALECTS[options.dialect]()
    host = _host(options.host, dialect)
    try:
        criteria = tuple(parse(text) for text in scenario.criteria)
    except CriterionError as error:
        raise ScenarioError(f"scenario {scenario.name}: {error}") from None
    try:
        frame_samples(dialect.input_rate, options.frame_ms)
    except ValueError as error:
        raise ScenarioError(f"--frame-ms {options.frame_ms:g}: {error}") from None
    try:
        corpus = load_corpus(Path(options.corpus) if options.corpus else None, rate=dialect.input_rate)
    except CorpusError as error:
        raise ScenarioError(f"--corpus: {error}" if options.corpus else str(error)) from None
    planner = Planner(options.seed, scenario.conversation, corpus)
    key = _key(options)
    tls = _tls(options)
    http = re.sub(r"^ws", "http", host)
    mint = Mint(http, options.token_path, tls, scenario.limits.setup_s, key) if options.auth == TOKEN else None
    return Run(options, scenario, criteria, host, planner, Prepared(dialect, options.frame_ms), tls, mint, key)


def _host(host: str | None, dialect: Dialect) -> str:
    if not host:
        raise ScenarioError("no host: say where the assistant is with --host, such as --host http://127.0.0.1:8000")
    try:
        dialect.endpoint(host, None)
        port = urlsplit(host).port
    except ValueError as error:
        raise ScenarioError(f"--host {host}: {error}") from None
    if port == 0:
        raise ScenarioError(f"--host {host}: port 0 cannot be called")
    return host.rstrip("/")


def _key(options: Options) -> str | None:
    key = os.environ.get(options.api_key_env) or None
    if key is None and options.auth == KEY:
        raise ScenarioError(
            f"--auth key: set the environment variable {options.api_key_env} to the API key (or name another: --api-key-env)"
        )
    try:
        DIALECTS[options.dialect]().headers(key)
    except ValueError as error:
        raise ScenarioError(f"the API key in {options.api_key_env}: {error}") from None
    return key if options.auth != NONE else None


def _tls(options: Options) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ScenarioError(f"--tls-ca {options.tls_ca}: no certificates can be read from it: {error.strerror or error}") from None
    if options.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
