"""One session of a talker: the link, the dialect, the tracker and the microphone, put together."""

from __future__ import annotations

from functools import partial

from gevent.event import Event as Signal

from metrics.assemble import SessionFacts
from metrics.by_ear import ByEar
from metrics.records import ErrorKind, Outcome, SessionOutcome, SessionRecord, TurnKind, TurnRecord
from metrics.tracker import Limits, Notice, Tracker
from protocol import Grant, MalformedMessage, Opcode
from protocol.events import Event
from users.access import door, secret_parameters
from users.clock import epoch_s, now_ns
from users.closing import Attempt, broken_by_chaos, emit, session_record
from users.errors import LocalError, RemoteError
from users.held import Held
from users.hidden import hidden, hidden_in, spelled
from users.link import Link
from users.microphone import Microphone
from users.opening import Target, connect
from users.pacer import on_grid
from users.prepared import PreparedClip
from users.run import Run
from users.setup import Setup
from users.speaking import Speaking
from users.wired import Wired

_FAREWELL_S = 0.5
_FIRST_AUDIO, _WAKING = int(Notice.FIRST_AUDIO), Notice.AUDIBLE | Notice.CLOSED


class Session:
    """A talker's WebSocket session, from connect to record. `wake` is set whenever the talker may have something to do; `turns` holds the
    records of finished turns until somebody takes them. `session`: number of the talker's session, from 0; `lost_ns`, `down_ns`: see
    `users.closing.Attempt`."""

    def __init__(
        self,
        run: Run,
        talker: int,
        call: int,
        lost_ns: int | None,
        client: str | None = None,
        down_ns: int | None = None,
        session: int = 0,
    ) -> None:
        self.wake = Signal()
        self.turns: list[TurnRecord] = []
        self.turns_begun = 0
        self._run = run
        self._client = client or f"talker-{talker}"
        self._role = run.planner.role(talker)
        self._attempt = Attempt(talker, self._role.persona, call, lost_ns, down_ns, now_ns(), epoch_s())
        self._network = run.emulation(talker, session)
        self._dialect = run.dialect()
        self._tape = run.tape(talker, session)
        self._wired = Wired(self._dialect, self._tape)
        self._setup = Setup()
        self._link: Link | None = None
        self._held: Held | None = None
        self._tracker: Tracker | None = None
        self._microphone: Microphone | None = None
        self._speaking: Speaking | None = None
        self._error: RemoteError | LocalError | None = None
        self._secrets: tuple[str, ...] = ()  # which the assistant may say again, where it says what is wrong

    def open(self, grant: Grant) -> None:
        """Connect as granted, configure, and begin to stream. Blocks; raises RemoteError where no session comes of it in time."""
        run, dialect = self._run, self._dialect
        limit_s = run.scenario.limits.setup_s
        url, headers = door(grant, dialect, run.host, run.scenario.session.model)
        named = (*secret_parameters(url), *secret_parameters(run.host))
        self._secrets = tuple(dict.fromkeys((*grant.secrets, *spelled(run.secrets.values()), *named)))
        if self._tape is not None:
            self._tape.secrets = self._secrets
        target = Target(url, {**headers, "X-Client-Id": self._client}, dialect.subprotocols(), run.tls, limit_s, run.options.arrivals)
        link = connect(target, run.inbox, self._on_message, self._on_closed, self._catch_up, self._network)
        self._link, self._held = link, Held(link.line, self._wired)
        self._wired.join(link)
        self._attempt.started_ns = link.opening.started_ns
        messages = dialect.configure(run.settings)  # first, as something may have come already
        link.start()
        for message in messages:
            self._wired.send(message)
        if dialect.ready_at_once and self._tracker is None:
            self._setup.ready_ns = now_ns()
            self._begin(self._setup.ready_ns)
        until = link.opening.started_ns + round(limit_s * 1e9)
        while self._tracker is None:
            self.check()
            left_s = (until - now_ns()) / 1e9
            if left_s <= 0:
                raise RemoteError(ErrorKind.TIMEOUT, f"the session was not ready within {limit_s:g} s")
            self.wake.wait(left_s)
            self.wake.clear()
        self._microphone = Microphone(link, run.prepared, run.slots, on_grid(now_ns()), self._role.background)
        cancels = self._role.conversation.barge_in.cancel
        self._speaking = Speaking(self._attempt.call, link, self._held, run.prepared.frame_ns, self._wired, cancels, self._network)

    @property
    def tracker(self) -> Tracker:
        """The tracker of an open session."""
        if self._held is None:
            raise RuntimeError("the session is not open")
        return self._held.tracked()

    @property
    def microphone(self) -> Microphone:
        """The microphone of an open session."""
        if self._microphone is None:
            raise RuntimeError("the session is not open")
        return self._microphone

    @property
    def link(self) -> Link:
        """The link of an open session."""
        if self._link is None:
            raise RuntimeError("the session is not open")
        return self._link

    def break_off(self, error: RemoteError) -> None:
        """Have the talker end the session, by this error."""
        self._error = self._error or error
        self.wake.set()

    @property
    def ready(self) -> bool:
        """Whether the session was ever ready to converse."""
        return self._tracker is not None

    @property
    def ready_shown(self) -> bool:
        """Whether the assistant showed that it was: by its word for it or, on a wire that has none, by audio."""
        return self.ready and (not self._dialect.ready_at_once or self._wired.counted.audio_samples_received > 0)

    def ready_s(self, t_ns: int) -> float:
        """For how long it has been ready to converse by this instant."""
        return 0.0 if self._setup.ready_ns is None else (t_ns - self._setup.ready_ns) / 1e9

    def check(self) -> None:
        """Raises the RemoteError or LocalError that ended the session, if one did."""
        if self._error is not None:
            raise self._error

    def speak(self, kind: TurnKind, turn: int, prepared: PreparedClip, planned_after_s: float | None = None) -> None:
        """Say a clip, from the next frame on."""
        if self._speaking is None:
            raise RuntimeError("the session is not open")
        self._speaking.speak(self.microphone, kind, turn, prepared, planned_after_s)
        if kind is not TurnKind.FALSE_ALARM:
            self.turns_begun += 1

    def give_up(self) -> None:
        """The talker waits for its answer no longer: the turn under way ends without one."""
        self.tracker.close(now_ns(), Outcome.NO_RESPONSE)

    def hang_up(self) -> None:
        """Close in order: waits a moment for the assistant to close too. `close` it is then; this may be broken off at any time."""
        link = self._link
        if link is not None and link.open:
            self.wake.clear()
            self._wired.send(self._dialect.farewell())
            link.hang_up()
            self.wake.wait(_FAREWELL_S + (self._network.round_trip_s if self._network is not None else 0.0))

    def close(self, outcome: SessionOutcome, error: RemoteError | None = None) -> SessionRecord:
        """End the session at once and say what became of it. Turns under way end with it. One that is told as refused was never ready."""
        t_ns = now_ns()
        if outcome is SessionOutcome.REFUSED:
            self._setup.ready_ns = None
        if self._tracker is not None:
            broken = outcome in (SessionOutcome.LOST, SessionOutcome.REFUSED)
            self.tracker.close(t_ns, Outcome.CONNECTION_LOST if broken else Outcome.CUT_BY_RUN_END)
            if error is not None and error.kind is ErrorKind.CHAOS:
                self.turns[:] = broken_by_chaos(self.turns, error)
        if self._link is not None:
            self._link.hang_up()
            self._link.abort()
        self._wired.close()
        if self._tape is not None:
            self._tape.write(self._link.frames_sent if self._link else 0, self._run.prepared.frame_bytes)
        record = session_record(
            self._attempt,
            self._setup,
            t_ns,
            outcome,
            error,
            self.turns_begun,
            self._link,
            self._microphone.send_lateness_max_s if self._microphone else None,
            self._dialect.output_encoding.sample_bytes,
            self._run.prepared.frame_bytes,
            self._wired.counted,
            self._network,
        )
        self._error = None  # which holds the session: no circle is left for the collector
        return record

    def _on_message(self, arrived_ns: int, payload: bytes, opcode: Opcode) -> None:
        if self._held is not None:
            self._held.track(arrived_ns)
        begun_ns = now_ns()
        try:
            events = self._wired.events(arrived_ns, payload, opcode)
        except Exception as error:  # in the event loop's hands it would only be printed
            self._broken("decoded", error)
            return
        if events and self._setup.first_event_ns is None:
            self._setup.first_event_ns = arrived_ns
        for event in events:
            self._told(begun_ns, arrived_ns, hidden_in(event, self._secrets), payload, opcode)

    def _broken(self, what: str, error: Exception) -> None:
        self._run.faults.note(f"a message could not be {what}")
        self._error = self._error or LocalError(f"a message could not be {what}: {type(error).__name__}: {error}")
        self.wake.set()

    def _catch_up(self) -> None:
        if self._held is not None:
            self._held.track()

    def _told(self, begun_ns: int, arrived_ns: int, event: Event, payload: bytes, opcode: Opcode) -> None:
        """The assistant told something, in this message, which began to be decoded at `begun_ns`."""
        tracker = self._tracker
        try:
            notice = tracker.event(arrived_ns, event) if tracker is not None else Notice.NOTHING
            if self._held is not None and self._tape is None:  # what is held is not on the tape
                self._held.told(arrived_ns, event, notice, payload, opcode)
        except MalformedMessage:
            self._wired.counted.malformed_messages += 1
            return
        except Exception as error:  # in the event loop's hands it would only be printed
            self._broken("tracked", error)
            return
        self._wired.counted.event(event)
        if tracker is None:
            self._set_up(arrived_ns, event)
            return
        if notice & _FIRST_AUDIO:
            self._first_heard(tracker, begun_ns)
        if notice & _WAKING:
            self.wake.set()

    def _set_up(self, arrived_ns: int, event: Event) -> None:
        """It was told before the session was ready, which it may be by this."""
        self._error = self._setup.event(arrived_ns, event) or self._error
        if self._setup.ready_ns is not None:
            self._begin(self._setup.ready_ns)
        self.wake.set()

    def _first_heard(self, tracker: Tracker, begun_ns: int) -> None:
        """The first audio of an answer is tracked: what that took, and its way here."""
        if self._link is None:
            return
        round_trip_s = self._link.round_trip_s()
        network_s = self._network.down_s() if self._network is not None else None
        downlink_s = None if round_trip_s is None else round_trip_s / 2 + (network_s or 0.0)
        tracker.first_audio_cost((now_ns() - begun_ns) / 1e9, downlink_s, network_s)

    def _begin(self, ready_ns: int) -> None:
        """The assistant is ready: what it tells from now on is tracked."""
        speaker, limits = self._run.scenario.speaker, self._run.scenario.limits
        clock = self._link.clock if self._link else "user"
        network = self._network
        done = self.turns.append if network is None else partial(emit, network, self.turns)  # no circle: not a method of the session
        name = network.name if network is not None else None
        talker, rate, persona = self._attempt.talker, self._dialect.output_rate, self._role.persona
        encoding = self._dialect.output_encoding
        facts = SessionFacts(talker, self._setup.id, clock, rate, speaker.playout_delay_s, speaker.output_s, persona, name, encoding)
        ear = ByEar(rate, encoding, limits.quiet_s, speaker.playout_delay_s) if self._dialect.by_ear else None
        waits = Limits(limits.response_s, limits.stall_s)
        if self._tape is None:
            self._tracker = Tracker(facts, waits, done, ready_ns, ear)
        else:
            self._tracker = self._tape.tracker(facts, waits, done, ready_ns, ear, limits.quiet_s)
        if self._held is not None:
            self._held.begin(self._tracker)

    def _on_closed(self, error: RemoteError | None) -> None:
        if error is not None:
            error.args = (hidden(str(error), self._secrets),)
        self._error = self._error or error
        self.wake.set()
