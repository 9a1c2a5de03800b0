import shutil
from pathlib import Path

import numpy as np
import pytest

from audio import ClipKind, load_corpus, make_corpus
from audio.noises import cough, keyboard, street


def tone(samples: int, level: float = 0.1) -> np.ndarray:
    return level * np.sin(2 * np.pi * 200 * np.arange(samples) / 24000)


def test_without_flite_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(make_corpus, "licence_text", lambda: "")
    assert make_corpus.main([str(tmp_path / "corpus")]) == 1
    assert capsys.readouterr().err == "make_corpus: flite is not installed: run 'apt-get install flite'\n"
    assert not (tmp_path / "corpus").exists()


def test_without_its_licence_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(make_corpus, "DEBIAN_COPYRIGHT", tmp_path / "copyright")
    assert make_corpus.main([str(tmp_path / "corpus")]) == 1
    assert "reinstall Debian's package flite" in capsys.readouterr().err
    (tmp_path / "copyright").write_text("something else")
    assert make_corpus.main([str(tmp_path / "corpus")]) == 1
    assert "another form than expected" in capsys.readouterr().err


def test_noises_are_the_same_each_time_and_those_of_the_corpus() -> None:
    first, second = dict(make_corpus.noises()), dict(make_corpus.noises())
    assert first.keys() == second.keys() == {clip.name for clip in load_corpus().of(ClipKind.NOISE)}
    for name, sound in first.items():
        assert np.array_equal(sound, second[name])
        clip = load_corpus().get(name)
        inner = clip.pcm[clip.onset_sample : clip.offset_sample + 1]
        raw = np.rint(sound * 32767).astype(np.int16)
        at = int(np.flatnonzero(np.abs(raw.astype(int)) > 327)[0])
        shifts = [s for s in range(at, at + 480) if np.abs(raw[s : s + 200].astype(int) - inner[:200]).max() <= 1]
        assert shifts, name
        assert np.abs(raw[shifts[0] : shifts[0] + len(inner)].astype(int) - inner).max() <= 1


def test_noises_differ_by_seed() -> None:
    for make in (lambda rng: cough(rng, 8000, 2), lambda rng: keyboard(rng, 24000, 1.0), lambda rng: street(rng, 8000, 1.0, True)):
        one, two = make(np.random.default_rng(1)), make(np.random.default_rng(2))
        assert not np.array_equal(one[:1000], two[:1000])


def test_long_pauses_are_shortened_and_short_ones_kept() -> None:
    sound = np.concatenate([tone(2400), np.zeros(7200), tone(2400), np.zeros(1920), tone(2400)])
    short = make_corpus.shorten_pauses(sound)
    lengths = [length for _, length in make_corpus.pauses(make_corpus.levels(short))]
    assert lengths == [10, 8]
    assert len(short) == len(sound) - 7200 + 2400


@pytest.mark.parametrize(("level", "expected"), [(0.01, -20.0), (0.9, -20.0)])
def test_loudness_is_that_of_the_sound_not_of_the_silence(level: float, expected: float) -> None:
    sound = make_corpus.loudness_to(np.concatenate([tone(24000, level), np.zeros(24000)]), expected)
    assert 10 * np.log10(np.mean(sound[:24000] ** 2)) == pytest.approx(expected, abs=0.01)


def test_loudness_never_clips() -> None:
    sound = np.zeros(24000)
    sound[::400] = 1.0
    assert np.abs(make_corpus.loudness_to(sound, -3.0)).max() == pytest.approx(0.98)


def test_the_longest_pause_is_found_by_energy() -> None:
    clip = load_corpus().of(ClipKind.QUESTION)[0]
    cut = clip.pcm.copy()
    middle = len(cut) // 2
    cut[middle : middle + 7200] = 0
    assert 290 <= make_corpus.longest_pause_ms(cut, clip.onset_sample, clip.offset_sample) <= 420


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_the_same_text_gives_the_same_clip() -> None:
    flite = make_corpus.find_flite()
    first = make_corpus.speech(flite, "Where is the nearest pharmacy?", "awb", ClipKind.QUESTION)
    second = make_corpus.speech(flite, "Where is the nearest pharmacy?", "awb", ClipKind.QUESTION)
    assert np.array_equal(first[0], second[0])
    assert first[1:] == second[1:] == (2400, len(first[0]) - 2401)


def test_a_flite_that_fails_or_lacks_a_voice_stops_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flite = tmp_path / "flite"
    flite.write_text("#!/bin/sh\necho 'no\nmemory' >&2; echo 'Voices available: slt rms kal16'; exit 1\n")
    flite.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(make_corpus.CannotMake, match="lacks the voice awb"):
        make_corpus.find_flite()
    with pytest.raises(make_corpus.CannotMake, match=r"could not say 'Hello' with voice slt: no memory$"):
        make_corpus.synthesise(str(flite), "Hello", "slt")
