"""The virtual speaker: when each sample of a response is heard, computed from when its chunks arrived.

The rules, for one response:

1. The first chunk starts to play ``delay_s`` after it arrived (the playout buffer), but not before ``not_before_ns``
   (the speaker may still be busy with the response before).
2. From there one sample is played per sample period for as long as there are samples.
3. A chunk that arrives exactly when it is due, or earlier, continues without a break.
4. A chunk that arrives later makes an *underrun*: the speaker is silent from the due instant to the arrival, the chunk
   plays at its arrival without a new delay, and everything after it is shifted.

Between two underruns lies a *segment*; sample ``i`` of a segment that starts at ``S`` is played from
``S + i * 1_000_000_000 // rate`` on. All of it is integer arithmetic on nanoseconds: nothing drifts, no timer runs.

Where the assistant has the speaker cleared, what has not begun to be played is dropped, as if it had never come; what comes then plays at
its arrival, or as the first chunk where nothing has been played.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Gap:
    """One underrun: the speaker was silent from ``start_ns`` (sample due) to ``end_ns`` (its chunk arrived)."""

    start_ns: int
    end_ns: int


class Playout:
    """The virtual speaker for one response. Instants are monotonic ns, as handed in; chunks come in order of arrival.

    ``delay_s`` is the wait from the arrival of the first chunk to its first sample being heard.
    Raises ``ValueError`` where ``rate`` is below 1 or ``delay_s`` is negative.
    """

    __slots__ = ("_begin_ns", "_delay_ns", "_dropped", "_due_ns", "_firsts", "_not_before_ns", "_rate", "_samples", "_starts")

    def __init__(self, rate: int, delay_s: float = 0.06, not_before_ns: int = 0) -> None:
        if rate < 1 or delay_s < 0:
            raise ValueError(f"a speaker needs a rate above 0 Hz and a delay of at least 0 s, not {rate} and {delay_s}")
        self._rate = rate
        self._delay_ns = round(delay_s * SECOND_NS)
        self._not_before_ns = not_before_ns
        self._begin_ns: int | None = None
        self._starts: list[int] = []  # per segment: the instant at which its first sample is played
        self._firsts: list[int] = []  # per segment: the index of its first sample
        self._samples = 0
        self._dropped = 0
        self._due_ns = 0  # when the sample after the last one pushed is due

    def push(self, arrival_ns: int, samples: int) -> None:
        """A chunk of ``samples`` samples arrived at ``arrival_ns``. An empty chunk changes nothing.

        Raises ``ValueError`` for a negative number of samples.
        """
        if samples <= 0:
            if samples < 0:
                raise ValueError(f"a chunk cannot hold {samples} samples")
            return
        starts = self._starts
        if not starts:
            begin_ns = arrival_ns + self._delay_ns if self._begin_ns is None else self._begin_ns
            starts.append(max(begin_ns, self._not_before_ns))
            self._firsts.append(0)
        elif arrival_ns > self._due_ns:
            starts.append(arrival_ns)
            self._firsts.append(self._samples)
        self._samples = total = self._samples + samples
        self._due_ns = starts[-1] + (total - self._firsts[-1]) * SECOND_NS // self._rate

    def begin_at(self, t_ns: int) -> None:
        """The first chunk is played then, for the speaker plays already and comes to it; unless it is still busy. It changes nothing once a
        chunk has come."""
        self._begin_ns = t_ns

    def clear(self, t_ns: int) -> None:
        """Drop what has not begun to be played at ``t_ns``."""
        kept = self._samples - round(self.audio_after_s(t_ns) * self._rate)
        self._dropped += self._samples - kept
        while self._firsts and self._firsts[-1] >= kept:
            self._firsts.pop()
            self._starts.pop()
        self._samples = kept
        if self._starts:
            self._due_ns = self._starts[-1] + (kept - self._firsts[-1]) * SECOND_NS // self._rate

    @property
    def samples(self) -> int:
        """Samples pushed so far, and not dropped."""
        return self._samples

    @property
    def audio_s(self) -> float:
        """Duration of everything pushed, what was dropped included, without the gaps."""
        return (self._samples + self._dropped) / self._rate

    @property
    def start_ns(self) -> int | None:
        """When the first sample is played; None where there is none."""
        return self._starts[0] if self._starts else None

    @property
    def end_ns(self) -> int | None:
        """When everything pushed so far, and not dropped, has been played; None where there is none."""
        return self._due_ns if self._starts else None

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The underruns so far, in order. Silence after the last sample is none: the response may be finished."""
        return tuple(Gap(self._segment_end(i - 1), self._starts[i]) for i in range(1, len(self._starts)))

    @property
    def underruns(self) -> int:
        """Number of gaps."""
        return max(0, len(self._starts) - 1)

    @property
    def underrun_s(self) -> float:
        """Total duration of the gaps."""
        return sum(gap.end_ns - gap.start_ns for gap in self.gaps) / SECOND_NS

    def played_samples(self, t_ns: int) -> int:
        """Samples whose play instant has fully passed at ``t_ns``; each lasts until the next one is due."""
        segment = bisect_right(self._starts, t_ns) - 1
        if segment < 0:
            return 0
        # The largest k with k * SECOND_NS // rate <= elapsed.
        passed = ((t_ns - self._starts[segment] + 1) * self._rate - 1) // SECOND_NS
        return min(self._firsts[segment] + passed, self._segment_last(segment))

    def audible_at(self, t_ns: int) -> bool:
        """Whether a pushed sample is being played at ``t_ns`` (its content may be silence)."""
        segment = bisect_right(self._starts, t_ns) - 1
        return segment >= 0 and t_ns < self._segment_end(segment)

    def instant_of(self, sample: int) -> int:
        """When sample ``sample`` starts to be played. Raises ``IndexError`` for a sample not pushed (yet)."""
        if not 0 <= sample < self._samples:
            raise IndexError(f"sample {sample} was not pushed: there are {self._samples}")
        segment = bisect_right(self._firsts, sample) - 1
        return self._starts[segment] + (sample - self._firsts[segment]) * SECOND_NS // self._rate

    def audio_after_s(self, t_ns: int) -> float:
        """Duration of the samples, dropped ones left out, that start to be played at or after ``t_ns``: what muting then would spare."""
        segment = bisect_right(self._starts, t_ns) - 1
        if segment < 0:
            return self._samples / self._rate
        # The number of k with k * SECOND_NS // rate < elapsed, which is elapsed * rate / SECOND_NS rounded up.
        begun = -((self._starts[segment] - t_ns) * self._rate // SECOND_NS)
        return (self._samples - min(self._firsts[segment] + begun, self._segment_last(segment))) / self._rate

    def silent_from_ns(self, t_ns: int) -> int:
        """The first instant from ``t_ns`` on at which no pushed sample is being played: ``t_ns`` itself in a gap."""
        segment = bisect_right(self._starts, t_ns) - 1
        return t_ns if segment < 0 else max(t_ns, self._segment_end(segment))

    def _segment_last(self, segment: int) -> int:
        """Index one past the segment's last sample."""
        return self._firsts[segment + 1] if segment + 1 < len(self._firsts) else self._samples

    def _segment_end(self, segment: int) -> int:
        """Instant at which the segment's last sample has been played."""
        if segment + 1 == len(self._starts):
            return self._due_ns
        samples = self._firsts[segment + 1] - self._firsts[segment]
        return self._starts[segment] + samples * SECOND_NS // self._rate
