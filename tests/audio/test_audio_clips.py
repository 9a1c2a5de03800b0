from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio import ClipKind, CorpusError, detect_bounds, load_corpus

BUILT_IN = load_corpus()
QUESTION = BUILT_IN.of(ClipKind.QUESTION)[0]


def write(folder: Path, table: str, **sounds: np.ndarray) -> Path:
    """A user's folder with ``NAME.wav`` for each sound at 24 kHz and ``transcripts.tsv``."""
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, 24000)
    (folder / "transcripts.tsv").write_text(table, encoding="utf-8")
    return folder


def test_built_in_is_read_once() -> None:
    assert load_corpus() is BUILT_IN
    assert load_corpus(rate=24000) is BUILT_IN
    assert load_corpus(rate=8000) is not BUILT_IN


def test_a_clip_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        QUESTION.pcm[0] = 1
    again = load_corpus(rate=8000).clips[0]
    assert (again == QUESTION, again.name == QUESTION.name) == (False, True)
    assert hash(again) != hash(QUESTION)


def test_seconds() -> None:
    assert QUESTION.onset_s == 0.1
    assert QUESTION.offset_s == QUESTION.offset_sample / 24000
    assert QUESTION.duration_s == pytest.approx(QUESTION.offset_s + 0.1 + 1 / 24000)


def test_of_prefers_the_voice_and_falls_back_to_the_kind() -> None:
    of_voice = BUILT_IN.of(ClipKind.INTERRUPTION, "rms")
    assert of_voice and {clip.voice for clip in of_voice} == {"rms"}
    assert set(of_voice) < set(BUILT_IN.of(ClipKind.INTERRUPTION))
    assert BUILT_IN.of(ClipKind.NOISE, "rms") == BUILT_IN.of(ClipKind.NOISE)


def test_get() -> None:
    assert BUILT_IN.get(QUESTION.name) is QUESTION
    with pytest.raises(CorpusError, match="no clip 'nothing'"):
        BUILT_IN.get("nothing")


def test_a_rate_that_no_detector_knows() -> None:
    with pytest.raises(ValueError, match="choose one of 8000"):
        load_corpus(rate=44100)


def test_a_folder_of_the_users_own(tmp_path: Path) -> None:
    table = "file\ttranscript\n# said on the phone\n\na.wav\tWhat time do you open?\nb.wav\tAnd on Sunday?\n"
    folder = write(tmp_path, table, a=QUESTION.pcm, b=BUILT_IN.clips[1].pcm)
    corpus = load_corpus(folder)
    assert [clip.name for clip in corpus.of(ClipKind.QUESTION)] == ["a.wav", "b.wav"]
    assert corpus.voices == (folder.name,)
    clip = corpus.get("a.wav")
    assert (clip.transcript, clip.voice, clip.rate) == ("What time do you open?", folder.name, 24000)
    assert np.array_equal(clip.pcm, QUESTION.pcm)
    assert abs(clip.onset_sample - QUESTION.onset_sample) <= 480
    assert abs(clip.offset_sample - QUESTION.offset_sample) <= 480
    for kind in ClipKind:
        if kind is not ClipKind.QUESTION:
            assert corpus.of(kind) == BUILT_IN.of(kind)
    assert corpus.of(ClipKind.INTERRUPTION, folder.name) == BUILT_IN.of(ClipKind.INTERRUPTION)
    assert load_corpus(str(folder)) is corpus


def test_optional_columns(tmp_path: Path) -> None:
    table = (
        "kind\tonset_s\tfile\tvoice\toffset_s\ttranscript\n"
        "interruption\t0.25\ta.wav\tann\t0.75\tNo wait\n"
        "noise\t\tcough.wav\t\t\t\n"
        "\t\ta2.wav\tbob\n"
    )
    cough = BUILT_IN.of(ClipKind.NOISE)[0]
    corpus = load_corpus(write(tmp_path, table, a=QUESTION.pcm, a2=QUESTION.pcm, cough=cough.pcm))
    labelled = corpus.get("a.wav")
    assert (labelled.kind, labelled.voice) == (ClipKind.INTERRUPTION, "ann")
    assert (labelled.onset_sample, labelled.offset_sample) == (6000, 18000)
    noise = corpus.get("cough.wav")
    assert (noise.kind, noise.voice, noise.transcript) == (ClipKind.NOISE, "", "")
    assert abs(noise.onset_sample - cough.onset_sample) <= 240
    assert abs(noise.offset_sample - cough.offset_sample) <= 240
    assert corpus.of(ClipKind.NOISE) == (noise,)
    assert corpus.voices == ("bob",)
    assert corpus.of(ClipKind.INTERRUPTION, "ann") == (labelled,)


def test_accents(tmp_path: Path) -> None:
    table = "file\ttranscript\tvoice\taccent\na.wav\tOne\tann\t\na2.wav\tTwo\tann\ten-IN\na3.wav\tThree\tbob\t\n"
    corpus = load_corpus(write(tmp_path, table, a=QUESTION.pcm, a2=QUESTION.pcm, a3=QUESTION.pcm))
    assert [clip.accent for clip in corpus.of(ClipKind.QUESTION)] == ["", "en-IN", ""]
    assert (corpus.accent("ann"), corpus.accent("bob"), corpus.accent("nobody")) == ("en-IN", "", "")
    assert {voice: BUILT_IN.accent(voice) for voice in BUILT_IN.voices} == {"slt": "en-US", "rms": "en-US", "awb": "en-scotland"}
    assert {clip.accent for clip in BUILT_IN.of(ClipKind.NOISE)} == {""}


def test_a_voice_has_one_accent(tmp_path: Path) -> None:
    table = "file\ttranscript\tvoice\taccent\na.wav\tOne\tann\ten-IN\nb.wav\tTwo\tann\ten-GB\n"
    with pytest.raises(CorpusError, match=r"line 3: voice 'ann' has the accent 'en-GB' here and 'en-IN' above: give it one$"):
        load_corpus(write(tmp_path, table, a=QUESTION.pcm, b=QUESTION.pcm))


def test_a_folder_without_questions_gets_the_built_in_ones(tmp_path: Path) -> None:
    table = "file\ttranscript\tkind\na.wav\tmm-hm\tbackchannel\n"
    corpus = load_corpus(write(tmp_path, table, a=QUESTION.pcm))
    assert corpus.voices == BUILT_IN.voices
    assert [clip.name for clip in corpus.of(ClipKind.BACKCHANNEL)] == ["a.wav"]


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate", "channels"),
    [
        (".wav", "PCM_16", 8000, 1),
        (".wav", "PCM_24", 44100, 2),
        (".wav", "FLOAT", 16000, 1),
        (".flac", "PCM_16", 48000, 2),
        (".flac", "PCM_24", 24000, 1),
    ],
)
def test_formats(tmp_path: Path, suffix: str, subtype: str, rate: int, channels: int) -> None:
    t = np.arange(rate) / rate
    tone = 0.25 * np.sin(2 * np.pi * 400 * t)
    sound = np.stack([tone * 2, 0 * tone], axis=1) if channels == 2 else tone
    soundfile.write(tmp_path / f"tone{suffix}", sound, rate, subtype=subtype)
    (tmp_path / "transcripts.tsv").write_text(f"file\ttranscript\tonset_s\toffset_s\ntone{suffix}\ttone\t0\t1\n")
    clip = load_corpus(tmp_path).get(f"tone{suffix}")
    assert len(clip.pcm) == 24000
    expected = 0.25 * np.sin(2 * np.pi * 400 * np.arange(24000) / 24000)
    middle = slice(2400, -2400)
    assert np.abs(clip.pcm[middle] / 32768 - expected[middle]).max() < 0.002
    assert (clip.onset_sample, clip.offset_sample) == (0, 23999)


def test_loud_sound_is_clipped_not_wrapped(tmp_path: Path) -> None:
    sound = np.concatenate([np.full(1200, 1.5), np.full(1200, -1.5)]).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", sound, 24000, subtype="FLOAT")
    (tmp_path / "transcripts.tsv").write_text("file\ttranscript\tonset_s\toffset_s\na.wav\t\t0\t0.1\n")
    pcm = load_corpus(tmp_path).get("a.wav").pcm
    assert (pcm[0], pcm[-1]) == (32767, -32768)


HISS = (np.random.default_rng(3).normal(0, 40, 48000)).astype(np.int16)
GOOD = "file\ttranscript\n"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", r"transcripts\.tsv, line 1: the header lacks 'file'"),
        ("transcript\na.wav\n", "line 1: the header lacks 'file'"),
        ("file,transcript\na.wav,hi\n", "line 1: the header lacks 'file'.*file<TAB>transcript"),
        ("file\ttranscript\tkind\tkind\na.wav\thi\n", "line 1: column 'kind' is unknown or repeated"),
        ("file\ttranscript\tspeaker\na.wav\thi\tann\n", "line 1: column 'speaker' is unknown.*onset_s"),
        (GOOD, r"transcripts\.tsv lists no clip"),
        (GOOD + "a.wav\thi\tann\n", "line 2: 3 cells for 2 columns"),
        (GOOD + "a.wav\thi\na.wav\thi\n", r"line 3: file 'a\.wav' is left out or listed twice"),
        (GOOD + "\thi\n", "line 2: file '' is left out"),
        (GOOD + "b.wav\thi\n", r"b\.wav does not exist"),
        (GOOD + "broken.wav\thi\n", r"broken\.wav cannot be read as sound"),
        (GOOD + "empty.wav\thi\n", r"empty\.wav holds no samples"),
        (GOOD + "silent.wav\thi\n", r"silent\.wav is silent \(nothing above -60 dBFS\)"),
        (GOOD + "nan.wav\thi\n", r"nan\.wav holds samples that are not numbers"),
        (GOOD + "hiss.wav\thi\n", r"hiss\.wav: no speech was found"),
        (GOOD + "long.wav\thi\n", r"long\.wav lasts 60\.5 s: a clip may last 60 s"),
        ("file\ttranscript\tkind\na.wav\thi\tanswers\n", "line 2: unknown kind 'answers': choose one of question, "),
        ("file\ttranscript\tkind\nhiss.wav\t\tnoise\n", r"hiss\.wav: no sound above -40 dBFS was found"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, table: str, says: str) -> None:
    silent = np.full(24000, 10, np.int16)
    write(tmp_path, table, a=QUESTION.pcm, empty=HISS[:0], silent=silent, hiss=HISS)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 24000, subtype="FLOAT")
    soundfile.write(tmp_path / "long.wav", np.zeros(484000, np.int16), 8000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVE")
    with pytest.raises(CorpusError, match=says) as caught:
        load_corpus(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("onset", "offset"), [("0.5", ""), ("", "0.5"), ("x", "1"), ("-0.1", "1"), ("1", "1"), ("1", "0.5"), ("0", "99"), ("nan", "1")]
)
def test_labels_must_lie_within_the_clip(tmp_path: Path, onset: str, offset: str) -> None:
    write(tmp_path, f"file\ttranscript\tonset_s\toffset_s\na.wav\thi\t{onset}\t{offset}\n", a=QUESTION.pcm)
    with pytest.raises(CorpusError, match=r"line 2: onset_s .* 0 <= onset_s < offset_s <= 2\.\d{3} \(the clip"):
        load_corpus(tmp_path)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nowhere is not a folder"):
        load_corpus(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="is empty"):
        load_corpus(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"transcripts\.tsv does not exist"):
        load_corpus(tmp_path)
    (tmp_path / "transcripts.tsv").write_bytes(b"file\xff\n")
    with pytest.raises(CorpusError, match=r"cannot be read .*UTF-8"):
        load_corpus(tmp_path)


def test_a_folder_that_was_wrong_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "b.wav\thi\n", a=QUESTION.pcm)
    with pytest.raises(CorpusError):
        load_corpus(tmp_path)
    write(tmp_path, GOOD + "a.wav\thi\n")
    assert load_corpus(tmp_path).get("a.wav").transcript == "hi"


@pytest.mark.parametrize("noise", [0, 30, 150])
def test_bounds_are_found_in_noise(noise: int) -> None:
    """The clip between a second of noise on either side, at -60 dBFS and -47 dBFS."""
    rng = np.random.default_rng(5)
    for clip in (*BUILT_IN.of(ClipKind.QUESTION)[:6], *BUILT_IN.of(ClipKind.BACKCHANNEL)[:3]):
        pcm = np.concatenate([np.zeros(24000, np.int16), clip.pcm, np.zeros(24000, np.int16)])
        pcm = (pcm + rng.normal(0, noise, len(pcm))).astype(np.int16)
        bounds = detect_bounds(pcm, 24000)
        assert bounds is not None
        assert abs(bounds[0] - 24000 - clip.onset_sample) <= 0.04 * 24000, clip.name
        assert abs(bounds[1] - 24000 - clip.offset_sample) <= 0.08 * 24000, clip.name


@pytest.mark.parametrize(
    "pcm",
    [np.zeros(0, np.int16), np.zeros(100, np.int16), np.zeros(24000, np.int16), QUESTION.pcm[2400:3600], HISS],
    ids=["nothing", "less than a step", "silence", "less than 60 ms", "hiss"],
)
def test_no_bounds(pcm: np.ndarray) -> None:
    assert detect_bounds(pcm, 24000) is None


def test_speech_up_to_both_ends() -> None:
    pcm = QUESTION.pcm[QUESTION.onset_sample : QUESTION.offset_sample + 1]
    bounds = detect_bounds(pcm, 24000)
    assert bounds is not None
    assert 0 <= bounds[0] <= 240
    assert len(pcm) - 240 <= bounds[1] < len(pcm)
