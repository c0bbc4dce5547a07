"""A whole text spoken at once, as the engine has it spoken: in small pieces, frame by frame."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.nano.voice import Voice

PIECE = re.compile(r"\s*\S+")  # about what the thinker writes at a time


def speak(voice: Voice, text: str) -> NDArray[np.float32]:
    """The whole of a text in slot 0, written word by word: [n] samples."""
    voice.start(0)
    pieces, samples, last = PIECE.findall(text), [], False
    while not last:
        while not voice.ready(0):
            if pieces:
                voice.write(0, pieces.pop(0))
            else:
                voice.finish(0)
        (frame,) = voice.step([0])
        samples.append(frame.samples)
        last = frame.last
    voice.stop(0)
    return np.concatenate(samples)
