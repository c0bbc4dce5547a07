"""Our own voice, driven whole: a text in, all its samples out, as fast as the machine can."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceserver.config import models_folder
from voiceserver.engine.nano.voice import Voice


def load_voice(model: str = "nano") -> Voice:
    """The voice with one slot."""
    return Voice.load(models_folder() / model, slots=1)


def speak_whole(voice: Voice, text: str) -> NDArray[np.float32]:
    """[S] at the voice's rate, by the same steps the engine takes."""
    slot = 0
    voice.start(slot)
    voice.write(slot, text)
    voice.finish(slot)
    pieces: list[NDArray[np.float32]] = []
    while voice.ready(slot):
        (frame,) = voice.step([slot])
        pieces.append(np.asarray(frame.samples, np.float32))
        if frame.last:
            break
    voice.stop(slot)
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
