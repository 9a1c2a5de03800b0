"""The voices that a persona may have, among those that the corpus has."""

from __future__ import annotations

from audio import Corpus
from scenarios.errors import ScenarioError
from scenarios.personas import Persona


def voices_of(persona: Persona, corpus: Corpus) -> list[str]:
    """The persona's voices, sorted. Raises ScenarioError where the corpus lacks one, or has none with the accent."""
    have = sorted(corpus.voices)
    where, there = f"persona {persona.name}", ", ".join(_told(corpus, voice) for voice in have)
    unknown = [voice for voice in persona.voices or () if voice not in have]
    if unknown:
        raise ScenarioError(f"{where}: the corpus asks nothing with the voice {unknown[0]!r}: there are {there}")
    chosen = [voice for voice in have if persona.voices is None or voice in persona.voices]
    accent = persona.accent
    found = [voice for voice in chosen if accent is None or corpus.accent(voice).casefold() == accent.casefold()]
    if not found:
        of_these = "none of its voices has" if persona.voices else "no voice of the corpus has"
        raise ScenarioError(f"{where}: {of_these} the accent {accent!r}: there are {there}")
    return found


def _told(corpus: Corpus, voice: str) -> str:
    accent = corpus.accent(voice)
    return f"{voice} ({accent})" if accent else voice
