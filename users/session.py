"""One session of a talker: the link, the dialect, the tracker and the microphone, put together."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict, replace
from functools import partial

from gevent.event import Event as Signal

from metrics.assemble import SessionFacts
from metrics.records import ErrorKind, Outcome, SessionOutcome, SessionRecord, TurnKind, TurnRecord
from metrics.tracker import Limits, Notice, Tracker
from metrics.utterance import Utterance
from protocol import MalformedMessage
from protocol.events import AssistantError, AudioDelta, Event, SessionCreated, SessionUpdated, whole
from users.clock import epoch_s, now_ns
from users.counted import Counted
from users.errors import LocalError, RemoteError
from users.link import Link
from users.microphone import Microphone
from users.network import Emulation
from users.opening import Target, connect
from users.pacer import on_grid
from users.prepared import PreparedClip
from users.run import Run

_FAREWELL_S = 0.5
_FIRST_AUDIO, _AUDIBLE, _WAKING = int(Notice.FIRST_AUDIO), int(Notice.AUDIBLE), Notice.AUDIBLE | Notice.CLOSED


class Session:
    """A talker's WebSocket session, from connect to record. `wake` is set whenever the talker may have something to do; `turns` holds the
    records of finished turns until somebody takes them. `session`: number of the talker's session, from 0."""

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
        self.counted = Counted()
        self._count = self.counted.event
        self._run = run
        self._talker = talker
        self._client = client or f"talker-{talker}"
        self._role = run.planner.role(talker)
        self._call = call
        self._lost_ns = lost_ns
        self._down_ns = down_ns  # since when the talker has had no session
        self._network = run.emulation(talker, session)
        self._left: list[tuple[str | None, list[int]]] = []  # what an answer has under way in the network while another is heard
        self._dialect = run.dialect()
        self._decode = self._dialect.decode
        self._heard_id: str | None = None  # the response whose audio the link holds
        self._link: Link | None = None
        self._tracker: Tracker | None = None
        self._microphone: Microphone | None = None
        self._error: RemoteError | LocalError | None = None
        self._started_ns = now_ns()
        self._started_epoch_s = epoch_s()
        self._id: str | None = None
        self._first_event_ns: int | None = None
        self._ready_ns: int | None = None
        self._silence_ms: int | None = None
        self._said: Utterance | None = None  # what the microphone speaks, or spoke last

    def open(self, secret: str | None) -> None:
        """Connect, configure, and begin to stream. Blocks; raises RemoteError where no session comes of it in time."""
        run, dialect = self._run, self._dialect
        limit_s = run.scenario.limits.setup_s
        headers = {**dialect.headers(secret), "X-Client-Id": self._client}
        url = dialect.endpoint(run.host, run.scenario.session.model)
        target = Target(url, headers, dialect.subprotocols(), run.tls, limit_s, run.options.arrivals)
        link = connect(target, run.inbox, self._on_message, self._on_closed, self._catch_up, self._network)
        self._link = link
        self._started_ns = link.opening.started_ns
        link.start()
        for message in dialect.configure(run.settings):
            link.send(message)
        until = self._started_ns + round(limit_s * 1e9)
        while self._tracker is None:
            self.check()
            left_s = (until - now_ns()) / 1e9
            if left_s <= 0:
                raise RemoteError(ErrorKind.TIMEOUT, f"the session was not ready within {limit_s:g} s")
            self.wake.wait(left_s)
            self.wake.clear()
        self._microphone = Microphone(link, run.prepared, run.slots, on_grid(now_ns()), self._role.background)

    @property
    def tracker(self) -> Tracker:
        """The tracker of an open session."""
        if self._tracker is None:
            raise RuntimeError("the session is not open")
        self._catch_up()
        return self._tracker

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

    def check(self) -> None:
        """Raises the RemoteError or LocalError that ended the session, if one did."""
        if self._error is not None:
            raise self._error

    def speak(self, kind: TurnKind, turn: int, prepared: PreparedClip, planned_after_s: float | None = None) -> None:
        """Say a clip, from the next frame on."""
        speech = self.microphone.speak(prepared, self._offset_sent, self._heard_myself if kind is TurnKind.BARGE_IN else None)
        clip = prepared.clip
        utterance = Utterance(
            kind, self._call, turn, clip.name, clip.voice, clip.transcript, speech.onset_ns, speech.offset_ns, planned_after_s
        )
        utterance.audio_processing_s = prepared.processing_s
        self._said = utterance
        self.tracker.speak(utterance)
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
            link.hang_up()
            self.wake.wait(_FAREWELL_S + (self._network.round_trip_s if self._network is not None else 0.0))

    def close(self, outcome: SessionOutcome, error: RemoteError | None = None) -> SessionRecord:
        """End the session at once and say what became of it. Turns under way end with it."""
        t_ns = now_ns()
        if self._tracker is not None:
            self.tracker.close(t_ns, Outcome.CONNECTION_LOST if outcome is SessionOutcome.LOST else Outcome.CUT_BY_RUN_END)
            if error is not None and error.kind is ErrorKind.CHAOS:  # not the assistant's
                lost = [index for index, turn in enumerate(self.turns) if turn.outcome is Outcome.CONNECTION_LOST]
                for index in lost:
                    self.turns[index] = replace(self.turns[index], error_kind=error.kind, error=str(error))
        if self._link is not None:
            self._link.hang_up()
            self._link.abort()
        record = self._record(t_ns, outcome, error)
        self._microphone = self._error = None  # both hold the session: no circle is left for the collector
        return record

    def _on_message(self, arrived_ns: int, payload: bytes) -> None:
        self._catch_up(arrived_ns)
        self._take(arrived_ns, payload)

    def _catch_up(self, until_ns: int | None = None) -> None:
        """Track what the link holds: audio of an answer that is being heard already. It says nothing that has to be acted on, and to track
        some of it at a time, by its length alone, costs a fraction (docs/performance.md). Behind a network, only what has arrived by
        `until_ns` (None: by now)."""
        if self._left:
            by_ns, left, self._left = now_ns() if until_ns is None else until_ns, self._left, []
            for heard_id, under_way in left:
                arrived = 2 * bisect_right(under_way[::2], by_ns)
                self._heard(heard_id, under_way[:arrived])
                if arrived < len(under_way):
                    self._left.append((heard_id, under_way[arrived:]))
        held = self._link.held(until_ns) if self._link is not None else None
        if held:
            self._heard(self._heard_id, held)

    def _heard(self, response_id: str | None, held: list[int]) -> None:
        if self._tracker is not None:
            instants_ns, samples = held[::2], held[1::2]
            self._tracker.goes_on(response_id, instants_ns, samples)
            self.counted.audio_bytes_received += 2 * sum(samples)

    def _take(self, arrived_ns: int, payload: bytes) -> None:
        begun_ns = now_ns()
        tracker = self._tracker
        try:
            event = self._decode(payload)
            notice = tracker.event(arrived_ns, event) if tracker is not None else Notice.NOTHING
        except MalformedMessage:
            self.counted.malformed_messages += 1
            return
        except Exception as error:  # in the event loop's hands it would only be printed
            self._run.faults.note("a message could not be tracked")
            self._error = self._error or LocalError(f"a message could not be tracked: {error}")
            self.wake.set()
            return
        self._count(event)
        if tracker is None:
            self._set_up(arrived_ns, event)
            return
        if notice:
            if self._link is not None:
                heard = event if isinstance(event, AudioDelta) and notice & _AUDIBLE else None
                self._link.hold(self._dialect.alike(payload) if heard else None)
                if under_way := self._link.left():
                    self._left.append((self._heard_id, under_way))
                self._heard_id = heard.response_id if heard else None
            if notice & _FIRST_AUDIO and self._link is not None:
                round_trip_s = self._link.round_trip_s()
                network_s = self._network.down_s() if self._network is not None else None
                downlink_s = None if round_trip_s is None else round_trip_s / 2 + (network_s or 0.0)
                tracker.first_audio_cost((now_ns() - begun_ns) / 1e9, downlink_s, network_s)
            if notice & _WAKING:
                self.wake.set()

    def _set_up(self, arrived_ns: int, event: Event) -> None:
        if self._first_event_ns is None:
            self._first_event_ns = arrived_ns
        if isinstance(event, SessionCreated):
            self._id = event.session_id
        elif isinstance(event, SessionUpdated):
            self._ready_ns = arrived_ns
            self._silence_ms = _silence_ms(event.settings)
            self._tracker = self._track(arrived_ns)
        elif isinstance(event, AssistantError):
            self._error = RemoteError(
                ErrorKind.PROTOCOL, f"the assistant refused the session's settings: {event.code or event.message[:99]}"
            )
        self.wake.set()

    def _track(self, ready_ns: int) -> Tracker:
        speaker, limits = self._run.scenario.speaker, self._run.scenario.limits
        clock = self._link.clock if self._link else "user"
        network = self._network
        emit = self.turns.append if network is None else partial(_emit, network, self.turns)  # no circle: not a method of the session
        name = network.name if network is not None else None
        rate, persona = self._dialect.output_rate, self._role.persona
        facts = SessionFacts(self._talker, self._id, clock, rate, speaker.playout_delay_s, speaker.output_s, persona, name)
        return Tracker(facts, Limits(limits.response_s, limits.stall_s), emit, ready_ns)

    def _on_closed(self, error: RemoteError | None) -> None:
        self._error = self._error or error
        self.wake.set()

    def _offset_sent(self, due_ns: int, sent_ns: int, worst_ns: int) -> None:
        said, link = self._said, self._link
        if said is None or link is None:
            return
        said.offset_sent_ns = sent_ns
        said.send_lateness_max_s = worst_ns / 1e9
        said.mic_capture_s = (self._run.prepared.frame_ns + sent_ns - due_ns) / 1e9
        round_trip_s = link.round_trip_s()
        network_s = said.network_up_s = self._network.up_s(sent_ns) if self._network is not None else None

        def taken() -> None:
            if round_trip_s is not None:
                said.uplink_s = round_trip_s / 2 + (network_s or 0.0) + (now_ns() - sent_ns) / 1e9

        link.when_sent(taken)

    def _heard_myself(self, detected_ns: int) -> None:
        said, link = self._said, self._link
        if said is None or link is None:
            return
        silenced_ns = now_ns()
        told = self.tracker.silence(detected_ns, silenced_ns)
        said.flush_s = (now_ns() - silenced_ns) / 1e9
        if told is None:
            return
        response_id, item_id, content_index, played_ms = told
        if self._role.conversation.barge_in.cancel and self.tracker.host_open:
            message = self._dialect.cancel(response_id)
            if message is not None and link.send(message):
                said.cancel_sent_ns = now_ns()
        if item_id is not None:
            message = self._dialect.truncate(item_id, content_index, played_ms)
            if message is not None:
                link.send(message)

    def _down_s(self, closed_ns: int, outcome: SessionOutcome) -> float:
        """Time without a session that ends with this one."""
        begin_ns = self._started_ns if self._down_ns is None and outcome is SessionOutcome.REFUSED else self._down_ns
        return 0.0 if begin_ns is None else max(0, (self._ready_ns or closed_ns) - begin_ns) / 1e9

    def _record(self, closed_ns: int, outcome: SessionOutcome, error: RemoteError | None) -> SessionRecord:
        link = self._link
        opening = link.opening if link else None
        first_event_s = (self._first_event_ns - opening.opened_ns) / 1e9 if opening and self._first_event_ns else None
        return SessionRecord(
            talker=self._talker,
            persona=self._role.persona,
            call=self._call,
            session_id=self._id,
            outcome=outcome,
            error_kind=error.kind if error else None,
            error=str(error) if error else None,
            reconnect=self._lost_ns is not None,
            lost_ns=self._lost_ns,
            down_s=self._down_s(closed_ns, outcome),
            started_epoch_s=self._started_epoch_s,
            started_ns=self._started_ns,
            ready_ns=self._ready_ns,
            closed_ns=closed_ns,
            connect_s=opening.connect_s if opening else None,
            tls_s=opening.tls_s if opening else None,
            handshake_s=opening.handshake_s if opening else None,
            first_event_s=first_event_s,
            close_code=link.close_code if link else None,
            turns=self.turns_begun,
            messages_sent=link.messages_sent if link else 0,
            messages_received=link.messages_received if link else 0,
            audio_bytes_sent=link.frames_sent * self._run.prepared.samples * 2 if link else 0,
            frames_sent=link.frames_sent if link else 0,
            frames_dropped=link.frames_dropped if link else 0,
            send_lateness_max_s=self._microphone.send_lateness_max_s if self._microphone else None,
            unsent_bytes_max=link.unsent_bytes_max if link else 0,
            silence_duration_ms=self._silence_ms,
            **asdict(self.counted),
            **(self._network.facts(closed_ns) if self._network is not None else {}),
        )


def _emit(network: Emulation, turns: list[TurnRecord], record: TurnRecord) -> None:
    """A turn that failed once its own network had broken the session is no failure of the assistant."""
    why = network.why_broken(now_ns()) if record.error_kind is not None else None
    turns.append(record if why is None else replace(record, error_kind=ErrorKind.NETWORK, error=why))


def _silence_ms(settings: dict[str, object]) -> int | None:
    """The end-of-turn silence window that the assistant echoes: in the GA or the beta place; None if it tells none."""
    audio = settings.get("audio")
    place = audio.get("input") if isinstance(audio, dict) else settings
    detection = place.get("turn_detection") if isinstance(place, dict) else None
    return whole(detection.get("silence_duration_ms")) if isinstance(detection, dict) else None
