"""The peer's truth file read, and what of a clip it hears: by hand on crafted clips, and for all built-in speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio import Clip, ClipKind, cut, load_corpus
from benchmarks.sent import Fate, read_truth, spoken

MS = 1_000_000
HEADER = (
    "response_id\tconnection\tonset_ns\theard_onset_ns\theard_end_ns\tspeech_started_ns\tspeech_stopped_ns\ttranscribed_ns\t"
    "created_ns\ttoken_ns\tfirst_audio_ns\tlast_audio_ns\tdone_ns\tchunks\tunderruns\tfate\n"
)


def clip(samples: int, onset: int, offset: int, silent: slice = slice(0, 0)) -> Clip:
    """A clip at 24 kHz that is loud from `onset` to `offset`, but for `silent`."""
    pcm = np.zeros(samples, np.int16)
    pcm[onset : offset + 1] = 9000
    pcm[silent] = 0
    return Clip("made", ClipKind.QUESTION, "nobody", "hm", "none", 24000, pcm, onset, offset)


def test_a_truth_file(tmp_path: Path) -> None:
    file = tmp_path / "truth.tsv"
    file.write_text(HEADER + "r3.2\t3\t\t10\t20\t11\t21\t30\t40\t50\t60\t90\t95\t7\t1\tearly_stop\n")
    sent = read_truth(file)["r3.2"]
    assert (sent.connection, sent.onset_ns, sent.heard_end_ns, sent.last_audio_ns, sent.chunks, sent.underruns) == (3, None, 20, 90, 7, 1)
    assert sent.fate is Fate.EARLY_STOP


@pytest.mark.parametrize("text", ["response_id\tfate\nr1.1\topen\n", HEADER + "r1.1\t1\topen\n", HEADER + "r1.1" + "\t1" * 14 + "\tgone\n"])
def test_another_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "truth.tsv"
    file.write_text(text)
    with pytest.raises(ValueError, match="not the truth of this peer"):
        read_truth(file)


def test_from_the_ends_of_speech_to_the_frames_that_hold_them() -> None:
    """Speech from 15 ms to 125 ms: spoken from 10 ms on, so it begins 5 ms into the first frame and ends 35 ms into the third."""
    made = spoken(clip(24 * 200, onset=24 * 15, offset=24 * 125), frame_ms=40)
    assert (made.onset_ns, made.offset_ns) == (35 * MS, 5 * MS)


def test_a_silent_end_is_not_heard() -> None:
    """The same labels, but from 85 ms on there is nothing to be heard: the peer hears the second frame last, 35 ms before the offset."""
    made = spoken(clip(24 * 200, onset=24 * 15, offset=24 * 125, silent=slice(24 * 85, None)), frame_ms=40)
    assert (made.onset_ns, made.offset_ns) == (35 * MS, -35 * MS)


def test_nothing_to_hear() -> None:
    with pytest.raises(ValueError, match="nothing in it can be heard"):
        spoken(clip(24 * 200, onset=24 * 15, offset=24 * 125, silent=slice(None)), frame_ms=40)


@pytest.mark.parametrize("frame_ms", [20, 40, 60, 100])
def test_built_in_speech_has_no_silent_frame(frame_ms: int) -> None:
    """So that the peer hears each utterance as one, and its ends in the frames that hold the labels."""
    for made in load_corpus().clips:
        if made.kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION):
            lead = made.onset_sample // 240 * 240
            pieces = cut(made.pcm[lead : made.offset_sample // 240 * 240 + 240], 24 * frame_ms)
            assert all(any(piece) for piece in pieces), made.name
            found = spoken(made, frame_ms)
            assert 0 < found.onset_ns <= frame_ms * MS
            assert 0 < found.offset_ns <= frame_ms * MS
