"""One run: everything that its talkers share, made from the options before the first of them starts."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audio import CorpusError, frame_samples, load_corpus
from metrics.criteria import Criterion, parse
from metrics.stages import Stages
from metrics.untold import untold
from protocol import DIALECTS, Dialect, SessionSettings, find, make, wrong_rates
from protocol.access import KEY, filled_options, read_named
from protocol.alone import violations
from scenarios import Planner, Scenario, ScenarioError, load_scenario
from scenarios.checks import check_voices
from scenarios.criteria import asked_of, check_criteria
from scenarios.load import POISSON
from scenarios.network import fate, network_of, profile_of
from scenarios.rate import Arrivals
from users.access import TOKEN, Mint, make_mint, read_key, recipe_of, way_in
from users.clock import CLOCKS, KERNEL
from users.errors import Faults
from users.gate import Gate
from users.inbox import Inbox
from users.network import Carrier, Emulation
from users.pacer import Pacer
from users.prepared import Prepared
from users.roster import Numbers, Roster
from users.slots import Slots
from users.tape import Tape
from users.watch import Starts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose besides the scenario. Secrets are not here: they are read from the environment when the run is made."""

    scenario: str = "baseline"
    host: str | None = None
    dialect: str = "openai-realtime"
    frame_ms: float = 20.0
    corpus: str = ""
    seed: int = 1
    auth: str = ""
    """One of users.access.AUTHS; empty: as the dialect and the scenario have it. A run's own options tell which that was."""
    token_path: str = ""
    """Empty: the recipe's own."""
    api_key_env: str = ""
    tls_ca: str = ""
    tls_insecure: bool = False
    arrivals: str = KERNEL
    changes: tuple[str, ...] = ()
    """Changes to the scenario, such as `load.talkers=50`."""
    chaos_commands: bool = False
    tape: str = ""

    def shown(self) -> dict[str, Any]:
        """The options as they may be shown: URLs without their parameters, which may hold a key."""
        plain = asdict(self)
        for name in ("host", "token_path"):
            plain[name] = (plain[name] or "").partition("?")[0]
        return plain


@dataclass(slots=True)
class Run:
    """What all talkers of a run share in this process. `began_ns`: when the run began, by this process's monotonic clock;
    `timed`: it is ended when its load is over, not by Locust's time limit."""

    options: Options
    scenario: Scenario
    criteria: tuple[Criterion, ...]
    host: str
    wire: type[Dialect]
    planner: Planner
    prepared: Prepared
    tls: ssl.SSLContext
    mint: Mint | None
    key: str | None = field(repr=False)
    named: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the environment holds for the names in `session.wire`."""
    roster: Numbers = field(default_factory=Roster)
    faults: Faults = field(default_factory=Faults)
    starts: Starts = field(default_factory=Starts)
    gate: Gate = field(default_factory=Gate)
    began_ns: int = 0
    stages: Stages = field(default_factory=Stages)
    timed: bool = False
    calls: Arrivals | None = None
    calls_next: dict[int, int] = field(default_factory=dict)
    sessions: dict[int, Any] = field(default_factory=dict)
    """The open session (users.session.Session) of each talker of this process that has one."""
    pacer: Pacer = field(init=False)
    slots: Slots = field(init=False)
    inbox: Inbox = field(init=False)
    carrier: Carrier = field(init=False)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.faults)
        self.slots = Slots(self.prepared.frame_ns, self.pacer, self.faults)
        self.inbox = Inbox(self.pacer, self.faults)
        self.carrier = Carrier(self.pacer, self.faults)

    @property
    def minting(self) -> bool:
        """Whether the run has a token minter besides its talkers."""
        return self.mint is not None and self.scenario.load.minting

    @property
    def others(self) -> int:
        """Locust users of the run that are not talkers."""
        return int(self.minting) + sum(self.scenario.load.beside.values())

    @property
    def place(self) -> str:
        """The host as it may be shown: without the parameters of its URL, which may hold a key."""
        return self.host.partition("?")[0]

    @property
    def secrets(self) -> dict[str, str]:
        """The environment variables by which talkers get in, and what they hold, "" where that is not used."""
        key = self.options.api_key_env
        named = {key if name == KEY else name: value for name, value in self.named.items()}
        return {key: self.key or "", **(self.mint.secrets if self.mint is not None else {}), **named}

    def begin(self, began_ns: int) -> None:
        """The run begins, or did, at this instant."""
        load = self.scenario.load
        self.began_ns, self.stages = began_ns, Stages(began_ns, load.timetable, by_end=load.search is not None)
        self.calls = Arrivals(load.calls, load.arrivals == POISSON, self.options.seed) if load.open else None

    @property
    def calls_due(self) -> Callable[[float], int] | None:
        """How many calls were to begin until an instant of the run, in seconds; None where arrivals are not open."""
        return self.calls.until if self.calls is not None else None

    def emulation(self, talker: int, session: int) -> Emulation | None:
        """The network of a talker's session, counted from 0 over all its calls; None where it has no profile."""
        scenario, seed = self.scenario, self.options.seed
        name = self.planner.role(talker).network or network_of(seed, talker, scenario.network)
        if name is None:
            return None
        network = profile_of(name, scenario.networks)
        return Emulation(self.carrier, name, network, fate(seed, talker, session, network))

    def dialect(self) -> Dialect:
        """A dialect for a new session."""
        return make(self.wire, filled_options(self.scenario.session.wire, self.named))

    def tape(self, talker: int, session: int) -> Tape | None:
        """What takes a talker's session down, counted from 0 over all its calls; None: nothing does."""
        path = self.options.tape
        return Tape(Path(path), self.options.dialect, self.scenario.session.wire) if path and (talker, session) == (0, 0) else None

    @property
    def untold(self) -> dict[str, str]:
        """The metrics that its wire cannot tell, each with the reason."""
        return untold(self.dialect())

    @property
    def settings(self) -> SessionSettings:
        """What a talker asks of its session."""
        return session_settings(self.scenario)


def session_settings(scenario: Scenario) -> SessionSettings:
    """What the talkers of a scenario ask of their sessions."""
    return SessionSettings(**scenario.session.model_dump(exclude={"wire"}))


def make_run(options: Options, scenario: Scenario | None = None) -> Run:
    """Check everything that can be checked before a talker starts. `scenario`: where it is known already; None: it is read from the place
    that the options name. Raises ScenarioError with one line: what, where, what to do."""
    scenario = scenario or load_scenario(options.scenario, changes=options.changes)
    wire, dialect, named = _dialect(options, scenario)
    if options.arrivals not in CLOCKS:
        raise ScenarioError(f"--arrivals {options.arrivals!r}: there are {', '.join(CLOCKS)}")
    recipe = recipe_of(scenario, dialect, dialect.access(session_settings(scenario)), options.token_path)
    options = replace(options, auth=way_in(options.auth, recipe, bool(options.api_key_env), dialect))
    host = _host(options.host, dialect)
    refuse_commands(scenario, options.chaos_commands)
    scenario, left = asked_of(scenario, parse, options.auth == TOKEN, untold(dialect))
    for text, why in left:
        logger.info("criterion %s is left out: %s", text, why)
    criteria = check_criteria(scenario, parse, options.auth == TOKEN, untold(dialect))
    try:
        frame_samples(dialect.input_rate, options.frame_ms)
    except ValueError as error:
        raise ScenarioError(f"--frame-ms {options.frame_ms:g}: {error}") from None
    try:
        corpus = load_corpus(Path(options.corpus) if options.corpus else None, rate=dialect.input_rate)
    except CorpusError as error:
        raise ScenarioError(f"--corpus: {error}" if options.corpus else str(error)) from None
    check_voices(scenario, corpus)
    try:
        planner = Planner(options.seed, scenario.conversation, corpus, scenario.personas)
    except ScenarioError as error:
        raise ScenarioError(f"scenario {scenario.name}: {error}") from None
    key = read_key(options.auth, options.api_key_env, dialect)
    tls = _tls(options)
    mint = make_mint(scenario, recipe, host, tls, key) if recipe is not None and options.auth == TOKEN else None
    return Run(options, scenario, criteria, host, wire, planner, Prepared(dialect, options.frame_ms), tls, mint, key, named=named)


def refuse_commands(scenario: Scenario, allowed: bool) -> None:
    """Raises ScenarioError for a scenario that runs a command on a machine whose owner does not allow it."""
    for number, action in enumerate(scenario.chaos):
        if action.run is not None and not allowed:
            raise ScenarioError(
                f"{scenario.place('chaos', number, 'run')}: chaos.{number}.run: this machine does not run commands of scenarios "
                f"(here: {action.run[0]}): start locust with --chaos-commands to allow it, or leave the action out"
            )


def _dialect(options: Options, scenario: Scenario) -> tuple[type[Dialect], Dialect, dict[str, str]]:
    """The dialect of this name, one with the scenario's options, and what the environment holds for the names in these. The options must
    fit as they are written, too: a tape has them so. A user's own must be what every dialect is."""
    name, given, place = options.dialect, scenario.session.wire, scenario.place("session", "wire")
    try:
        wire = find(name)
    except ValueError as error:
        raise ScenarioError(f"--dialect: {error}") from None
    try:
        made = make(wire, given)
        named = read_named(given, os.environ, options.api_key_env)
    except ValueError as error:
        raise ScenarioError(f"{place}: session.wire: {error}") from None
    if named:
        try:
            made = make(wire, filled_options(given, named))
        except ValueError:  # whose text may show what they hold
            raise ScenarioError(f"{place}: session.wire: what {', '.join(sorted(named))} holds is nothing that {wire.name} takes") from None
    wrong = [] if wire in DIALECTS.values() else violations(lambda: make(wire, given))
    if wrong:
        raise ScenarioError(f"--dialect {name}: {wrong[0]:.200}; python -m protocol check {name} tells all that is wrong with it")
    rates = wrong_rates(made)
    if rates:
        raise ScenarioError(f"{place}: session.wire: {wire.name}: {rates[0]}")
    return wire, made, named


def _host(host: str | None, dialect: Dialect) -> str:
    if not host:
        raise ScenarioError("no host: say where the assistant is with --host, such as --host http://127.0.0.1:8000")
    place = host.partition("?")[0]
    if "@" in place:
        raise ScenarioError("--host holds a user name or password, which run files would show: put the key into the environment instead")
    try:
        dialect.endpoint(host, None)
        port = urlsplit(host).port
    except ValueError as error:
        raise ScenarioError(f"--host {place}: {error}") from None
    if port == 0:
        raise ScenarioError(f"--host {place}: port 0 cannot be called")
    return host.rstrip("/")


def _tls(options: Options) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ScenarioError(f"--tls-ca {options.tls_ca}: no certificates can be read from it: {error.strerror or error}") from None
    if options.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
