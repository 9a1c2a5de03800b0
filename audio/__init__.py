"""Sound as numbers: clips with labelled speech, frames, voice activity, first sound, and the virtual speaker. Pure."""

from audio.backgrounds import NoiseKind
from audio.bounds import detect_bounds
from audio.clips import Clip, ClipKind, Corpus, load_corpus
from audio.codecs import decode, encode, loud
from audio.files import CorpusError
from audio.framing import cut, frame_samples, silence
from audio.mix import Background, Surroundings, active_level_dbfs, background
from audio.onset import FirstSound, last_sound
from audio.playout import Gap, Playout
from audio.vad import SpeechDetector, SpeechStart, SpeechStop, Vad

__all__ = [
    "Background",
    "Clip",
    "ClipKind",
    "Corpus",
    "CorpusError",
    "FirstSound",
    "Gap",
    "NoiseKind",
    "Playout",
    "SpeechDetector",
    "SpeechStart",
    "SpeechStop",
    "Surroundings",
    "Vad",
    "active_level_dbfs",
    "background",
    "cut",
    "decode",
    "detect_bounds",
    "encode",
    "frame_samples",
    "last_sound",
    "load_corpus",
    "loud",
    "silence",
]
