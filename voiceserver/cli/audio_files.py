"""Sound files of any rate, channels and format as the wire's samples, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.errors import VoiceserverError

_QUIET = 0.01  # of the peak: below this the end of a file is not speech


def read_speech(path: Path) -> bytes:
    """A sound file as mono int16 at WIRE_RATE_HZ."""
    if not path.is_file():
        raise VoiceserverError(
            f"{path} does not exist" if not path.exists() else f"{path} is no file"
        )
    try:
        samples, rate_hz = sf.read(path, dtype="float32", always_2d=True)  # [S, channels]
    except (sf.LibsndfileError, OSError) as error:
        raise VoiceserverError(f"{path} is not a sound file that can be read") from error
    if len(samples) == 0:
        raise VoiceserverError(f"{path} holds no sound")
    mono = np.nan_to_num(samples.mean(axis=1), posinf=1.0, neginf=-1.0)
    return to_pcm16(np.asarray(soxr.resample(mono, rate_hz, WIRE_RATE_HZ), np.float32))


def write_speech(path: Path, samples: NDArray[np.float32], rate_hz: int) -> None:
    """A mono 16-bit WAV file."""
    try:
        sf.write(path, np.clip(samples, -1.0, 1.0), rate_hz, subtype="PCM_16", format="WAV")
    except (sf.LibsndfileError, OSError) as error:
        raise VoiceserverError(f"cannot write {path}: {error}") from error


def check_writable(path: Path) -> None:
    """Fail before minutes of work, not after."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise VoiceserverError(f"cannot write {path}: its folder does not exist or it is a folder")


def trailing_quiet_s(pcm16: bytes) -> float:
    """How long the end of the recording is quiet: what is said ends so much before it."""
    samples = np.abs(np.frombuffer(pcm16, "<i2").astype(np.int32))
    loud = np.flatnonzero(samples > _QUIET * samples.max())
    last = int(loud[-1]) + 1 if len(loud) else 0
    return (len(samples) - last) / WIRE_RATE_HZ
