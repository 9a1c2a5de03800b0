"""Sound as numbers: clips with labelled speech, frames, voice activity, first sound, and the virtual speaker. Pure."""

from audio.bounds import detect_bounds
from audio.clips import Clip, ClipKind, Corpus, load_corpus
from audio.files import CorpusError
from audio.framing import cut, frame_samples, silence
from audio.onset import FirstSound, last_sound
from audio.playout import Gap, Playout
from audio.vad import SpeechDetector, SpeechStart, SpeechStop, Vad

__all__ = [
    "Clip",
    "ClipKind",
    "Corpus",
    "CorpusError",
    "FirstSound",
    "Gap",
    "Playout",
    "SpeechDetector",
    "SpeechStart",
    "SpeechStop",
    "Vad",
    "cut",
    "detect_bounds",
    "frame_samples",
    "last_sound",
    "load_corpus",
    "silence",
]
