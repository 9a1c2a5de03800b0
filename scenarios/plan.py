"""The plan of a talker: what it says in each turn and when it interrupts, drawn from (run seed, talker number, turn number) alone."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from audio import Clip, ClipKind, Corpus
from scenarios.draws import generator
from scenarios.errors import ScenarioError
from scenarios.model import Conversation


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
    """`turns`: how many turns the call has, barge-ins included. `pause_s`: wait after hanging up."""

    turns: int
    pause_s: float


class Planner:
    """Draws the plans of one run. Raises ScenarioError where the corpus lacks a kind of clip that the conversation needs."""

    def __init__(self, seed: int, conversation: Conversation, corpus: Corpus) -> None:
        self.seed = seed
        self._conversation = conversation
        self._corpus = corpus
        self._voices = sorted(corpus.voices)
        needed = [ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL, ClipKind.NOISE]
        missing = [kind.value for kind in needed if not corpus.of(kind)]
        if missing or not self._voices:
            raise ScenarioError(f"the corpus has no clips of kind {', '.join(missing) or 'question'}: add some, or use the built-in corpus")

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip that a talker may speak."""
        return tuple(clip for clip in self._corpus.clips if clip.kind is not ClipKind.ANSWER)

    @property
    def fingerprint(self) -> str:
        """Equal for planners whose talkers can say the same things: a digest of all clips, with what is known of each."""
        digest = sha256()
        for clip in self._corpus.clips:
            digest.update(f"{clip.name} {clip.kind.value} {clip.voice} {clip.rate}".encode())
            digest.update(clip.pcm.tobytes())
        return digest.hexdigest()

    def voice(self, talker: int) -> str:
        """The voice that a talker speaks with all along: the voices go round, so that any number of talkers shares them evenly."""
        return self._voices[talker % len(self._voices)]

    def call(self, talker: int, call: int) -> CallPlan:
        """Plan of a talker's call, counted from 0."""
        rng = generator(self.seed, talker, "call", call)
        conversation = self._conversation
        return CallPlan(max(1, round(conversation.turns.draw(rng))), conversation.between_calls_s.draw(rng))

    def turn(self, talker: int, turn: int) -> TurnPlan:
        """Plan of a talker's turn, counted from 0 over all its calls."""
        rng = generator(self.seed, talker, "turn", turn)
        conversation, voice = self._conversation, self.voice(talker)
        noise = rng.random() < conversation.false_alarms.noise
        # Every draw is made in every turn, and the thinking last: it takes as many random numbers as its distribution needs, and what the
        # talker says and when it interrupts must not depend on that.
        utterance = self._pick(ClipKind.QUESTION, voice, rng.random())
        interruption = self._pick(ClipKind.INTERRUPTION, voice, rng.random())
        false_alarm = self._pick(ClipKind.NOISE if noise else ClipKind.BACKCHANNEL, None if noise else voice, rng.random())
        barge_in = _hazard(conversation.barge_in.per_second, conversation.barge_in.not_before_s, rng.expovariate(1.0))
        alarm = _hazard(conversation.false_alarms.per_second, conversation.false_alarms.not_before_s, rng.expovariate(1.0))
        if barge_in is not None and alarm is not None:
            barge_in, alarm = (barge_in, None) if barge_in < alarm else (None, alarm)
        return TurnPlan(utterance, interruption, false_alarm, conversation.think_s.draw(rng), barge_in, alarm)

    def _pick(self, kind: ClipKind, voice: str | None, chance: float) -> Clip:
        clips = self._corpus.of(kind, voice)
        return clips[int(chance * len(clips))]


def _hazard(per_second: float, not_before_s: float, unit: float) -> float | None:
    """Instant of the first event of a constant hazard that begins at `not_before_s`: exponential with mean 1 / per_second."""
    return not_before_s + unit / per_second if per_second > 0 else None
