"""What a barge-in or a false alarm came to, judged when its turn has ended. The windows are those of `metrics/windows.py`."""

from __future__ import annotations

from metrics.records import BargeInClass, Outcome
from metrics.response import COMPLETE, SECOND_NS, Response
from metrics.turn import Turn
from metrics.utterance import Utterance
from metrics.windows import FALSE_STOP_S, FALSE_STOP_WINDOW_S, RESUME_WINDOW_S, YIELD_WINDOW_S

_NOT_THE_ASSISTANTS = (Outcome.CUT_BY_RUN_END, Outcome.CONNECTION_LOST)


def classify_barge_in(turn: Turn, host: Response) -> BargeInClass | None:
    """How the assistant met the barge-in that began `turn` by interrupting `host`.

    - A response that was over before the onset, or ended by itself before the assistant told, or could tell, that it heard the talker,
      had already been generated. One that ended by itself later, or failed, or did not end, shows no reaction.
    - Any other was cancelled: by the client where the assistant says so or, where it gives no reason, after the client's cancel.
    - None: the session ended before the time to yield was over, so nothing can be said.
    """
    said = turn.utterance
    if host.done_ns is None:
        seen_s = (turn.ended_ns - said.onset_ns) / SECOND_NS
        return None if turn.outcome in _NOT_THE_ASSISTANTS and seen_s < YIELD_WINDOW_S else BargeInClass.NO_REACTION
    if host.done_ns <= said.onset_ns:
        return BargeInClass.GENERATED
    if host.status in COMPLETE:
        known_ns = said.speech_started_ns or said.detected_ns or said.onset_ns
        sent_before = host.last_audio_ns is None or host.last_audio_ns <= said.onset_ns or host.done_ns <= known_ns
        return BargeInClass.GENERATED if sent_before else BargeInClass.NO_REACTION
    if host.status == "failed":
        return BargeInClass.NO_REACTION
    asked = host.reason is None and said.cancel_sent_ns is not None and said.cancel_sent_ns <= host.done_ns
    return BargeInClass.CLIENT if asked or host.reason == "client_cancelled" else BargeInClass.SERVER


def judge_false_alarm(turn: Turn, said: Utterance) -> tuple[Outcome, int | None, int | None, bool]:
    """What a false alarm came to: outcome, when the assistant stopped, when it came back, and whether the outcome counts.

    - A stray response that brought audio is an answer to the last false alarm before it, and no resumption.
    - The assistant stopped if it was inaudible for longer than FALSE_STOP_S from an instant between the onset and FALSE_STOP_WINDOW_S
      after the offset, its response unfinished; it resumed if the same response was audible again within RESUME_WINDOW_S of the offset.
    - A response that the assistant broke off later, having played on from what had been sent, did not play to its end either: it counts.
    - Where it fell silent then and by ear alone did not come back, it had come to its end or was stopped for good, and nobody can tell
      which: it does not count.
    - Where the turn was cut off otherwise before the windows had passed, it has that turn's outcome and does not count.
    """
    host = turn.response
    stop, back = _false_stop(host, said, turn.ended_ns) if host is not None else (None, None)
    if turn.answers_to(said):
        return Outcome.ANSWERED, stop, None, True
    window_ends = said.offset_ns + round(RESUME_WINDOW_S * SECOND_NS)
    if stop is not None and (back is None or back > window_ends):
        over = (back or turn.ended_ns) >= window_ends
        return (Outcome.NOT_RESUMED if over else turn.outcome), stop, back, over
    if turn.outcome is Outcome.COMPLETED:
        untold = stop is None and host is not None and host.done_by_ear and _falls_silent(host.playout.end_ns, said)
        return (Outcome.CONTINUED if stop is None else Outcome.RESUMED), stop, back, not untold
    return turn.outcome, stop, back, turn.outcome is Outcome.CUT_SHORT


def _false_stop(host: Response, said: Utterance, ended_ns: int) -> tuple[int | None, int | None]:
    """When the assistant fell silent because of the false alarm, and when it was heard again."""
    longest = round(FALSE_STOP_S * SECOND_NS)
    for gap in (*host.pauses, *host.playout.gaps):
        if _falls_silent(gap.start_ns, said) and gap.end_ns - gap.start_ns > longest:
            return gap.start_ns, gap.end_ns
    end = host.playout.end_ns
    if end is not None and host.status not in COMPLETE and _falls_silent(end, said) and ended_ns - end > longest:
        return end, None
    return None, None


def _falls_silent(t_ns: int | None, said: Utterance) -> bool:
    """Whether this is an instant at which silence can be the false alarm's doing."""
    return t_ns is not None and said.onset_ns <= t_ns <= said.offset_ns + round(FALSE_STOP_WINDOW_S * SECOND_NS)
