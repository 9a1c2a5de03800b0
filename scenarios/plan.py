"""The plan of a talker: who it is, what it says in each turn and when it interrupts, drawn from (run seed, talker number, turn number)
alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from audio import Background, Clip, ClipKind, Corpus, active_level_dbfs, background
from scenarios.cast import Cast
from scenarios.conversation import BargeIn, Conversation, FalseAlarms
from scenarios.draws import generator
from scenarios.errors import ScenarioError
from scenarios.personas import Persona
from scenarios.voices import voices_of


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What a talker will do in one turn, whatever the assistant does.

    `utterance` is said if the turn begins in silence, `interruption` if it begins as a barge-in. `barge_in_after_s` and
    `false_alarm_after_s` are instants in the answer to this turn, in seconds of the assistant's speech; at most one of them is not None.
    """

    utterance: Clip
    interruption: Clip
    false_alarm: Clip
    think_s: float
    barge_in_after_s: float | None
    false_alarm_after_s: float | None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """`turns`: how many turns the call has, barge-ins included. `pause_s`: wait after hanging up. `patience_s`: how long the talker waits
    to hear an answer before it gives the call up; None: it never does."""

    turns: int
    pause_s: float
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """Who a talker is: all that is the same in every one of its turns. `persona`: its name, "" without personas. `background`: the noise
    around it; None: none. `network`: its own network profile; None: it has that of everybody."""

    persona: str
    voice: str
    background: Background | None
    conversation: Conversation
    network: str | None = None


class Planner:
    """Draws the plans of one run. Raises ScenarioError where the corpus lacks a kind of clip that the conversation needs, or a voice that a
    persona wants."""

    def __init__(self, seed: int, conversation: Conversation, corpus: Corpus, personas: Sequence[Persona] = ()) -> None:
        self.seed = seed
        self._conversation = conversation
        self._corpus = corpus
        self._voices = sorted(corpus.voices)
        self._personas = tuple(personas)
        needed = [ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL, ClipKind.NOISE]
        missing = [kind.value for kind in needed if not corpus.of(kind)]
        if missing or not self._voices:
            raise ScenarioError(f"the corpus has no clips of kind {', '.join(missing) or 'question'}: add some, or use the built-in corpus")
        self._roles = [self._roles_of(persona) for persona in self._personas]
        self._cast = Cast([persona.share for persona in self._personas], seed) if personas else None

    def _roles_of(self, persona: Persona) -> list[Role]:
        """The persona with each of its voices."""
        conversation, noise = persona.conversation(self._conversation), persona.noise
        roles = []
        for voice in voices_of(persona, self._corpus):
            around = None
            if noise is not None:
                around = background(noise.kind, active_level_dbfs(self._corpus.of(ClipKind.QUESTION, voice)), noise.snr_db)
            roles.append(Role(persona.name, voice, around, conversation, persona.network))
        return roles

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip that a talker may speak."""
        return tuple(clip for clip in self._corpus.clips if clip.kind is not ClipKind.ANSWER)

    def spoken(self) -> Iterator[tuple[Clip, Background | None]]:
        """Every clip that a talker may speak, with each noise that it may be spoken in; some more than once."""
        if not self._personas:
            yield from ((clip, None) for clip in self.clips)
        for role in (role for roles in self._roles for role in roles):
            for kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL, ClipKind.NOISE):
                clips = self._corpus.of(kind, None if kind is ClipKind.NOISE else role.voice)
                yield from ((clip, role.background) for clip in clips)

    @property
    def fingerprint(self) -> str:
        """Equal for planners whose talkers can say the same things: a digest of all clips, with what is known of each."""
        digest = sha256()
        for clip in self._corpus.clips:
            digest.update(f"{clip.name} {clip.kind.value} {clip.voice} {clip.accent} {clip.rate}".encode())
            digest.update(clip.pcm.tobytes())
        return digest.hexdigest()

    def role(self, talker: int) -> Role:
        """Who a talker is all along. The voices of a persona go round among its talkers, so that any number of them shares these evenly.
        A talker below 0 is nobody in particular."""
        if self._cast is None or talker < 0:
            return Role("", self._voices[talker % len(self._voices)], None, self._conversation)
        index, rank = self._cast.of(talker)
        roles = self._roles[index]
        return roles[rank % len(roles)]

    def voice(self, talker: int) -> str:
        """The voice that a talker speaks with all along."""
        return self.role(talker).voice

    def call(self, talker: int, call: int) -> CallPlan:
        """Plan of a talker's call, counted from 0."""
        rng = generator(self.seed, talker, "call", call)
        conversation = self.role(talker).conversation
        turns, pause_s = max(1, round(conversation.turns.draw(rng))), conversation.between_calls_s.draw(rng)
        return CallPlan(turns, pause_s, self._patience_s(talker, call))

    def _patience_s(self, talker: int, call: int) -> float | None:
        if self._cast is None:
            return None
        patience_s = self._personas[self._cast.of(talker)[0]].patience_s
        return None if patience_s is None else patience_s.draw(generator(self.seed, talker, "patience", call))

    def turn(self, talker: int, turn: int) -> TurnPlan:
        """Plan of a talker's turn, counted from 0 over all its calls."""
        rng = generator(self.seed, talker, "turn", turn)
        role = self.role(talker)
        conversation, voice = role.conversation, role.voice
        noise = rng.random() < conversation.false_alarms.noise
        # Every draw is made in every turn, and the thinking last: it takes as many random numbers as its distribution needs, and what the
        # talker says and when it interrupts must not depend on that.
        utterance = self._pick(ClipKind.QUESTION, voice, rng.random())
        interruption = self._pick(ClipKind.INTERRUPTION, voice, rng.random())
        false_alarm = self._pick(ClipKind.NOISE if noise else ClipKind.BACKCHANNEL, None if noise else voice, rng.random())
        barge_in = self._instant("barge_in", conversation.barge_in, talker, turn, rng.expovariate(1.0))
        alarm = self._instant("false_alarm", conversation.false_alarms, talker, turn, rng.expovariate(1.0))
        if barge_in is not None and alarm is not None:
            barge_in, alarm = (barge_in, None) if barge_in < alarm else (None, alarm)
        return TurnPlan(utterance, interruption, false_alarm, conversation.think_s.draw(rng), barge_in, alarm)

    def _instant(self, what: str, when: BargeIn | FalseAlarms, talker: int, turn: int, unit: float) -> float | None:
        """Instant of a barge-in or a false alarm in the turn's answer, in seconds of the assistant's speech; None: there is none."""
        if when.share is None or when.after_s is None:
            return _hazard(when.per_second, when.not_before_s, unit)
        rng = generator(self.seed, talker, what, turn)
        return when.after_s.draw(rng) if rng.random() < when.share else None

    def _pick(self, kind: ClipKind, voice: str | None, chance: float) -> Clip:
        clips = self._corpus.of(kind, voice)
        return clips[int(chance * len(clips))]


def _hazard(per_second: float, not_before_s: float, unit: float) -> float | None:
    """Instant of the first event of a constant hazard that begins at `not_before_s`: exponential with mean 1 / per_second."""
    return not_before_s + unit / per_second if per_second > 0 else None
