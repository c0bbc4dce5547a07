"""Written text -> phonemes by espeak-ng, a library of its own (GPL-3) loaded through `phonemizer`.

Only this file touches espeak. Everything above it speaks in tuples of phoneme symbols.
"""

import functools
import re
import threading

import espeakng_loader
from phonemizer.backend.espeak.wrapper import EspeakWrapper

VOICE = "en-us"
# espeak marks a switch of language as "(fr)"; the marks are not phonemes.
LANGUAGE_FLAG = re.compile(r"\([a-z-]+\)")
# The library keeps one global voice and one text buffer.
_LOCK = threading.Lock()


@functools.cache
def _espeak() -> EspeakWrapper:
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    wrapper = EspeakWrapper()
    wrapper.set_voice(VOICE)
    return wrapper


@functools.lru_cache(maxsize=65536)
def phoneme_groups(text: str) -> tuple[str, ...]:
    """The phonemes of a phrase as espeak groups them: one string a spoken word, mostly."""
    with _LOCK:
        spoken = _espeak().text_to_phonemes(text)
    return tuple(LANGUAGE_FLAG.sub("", spoken).replace("_", "").split())
