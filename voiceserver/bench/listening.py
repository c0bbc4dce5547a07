"""What hearing live costs in accuracy: Whisper's exact features against those made while it hears.

Both are compared number by number, and both are given to the same real Whisper decoder, which
writes down what was asked. After the last feature it sees the same silence in either case, so that
nothing it reads comes from a later look at the clip. The encoder's weights are real: Whisper base
or tiny.en, converted from what nano uses. Small, which Mini-Omni hears with, has the same design.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from voiceserver.assets import resolve
from voiceserver.audio.murmur import murmur_then_silence
from voiceserver.bench.judge import WordErrors, total, word_errors
from voiceserver.bench.questions import INTERRUPTIONS, LONG_ANSWERS, QUESTIONS
from voiceserver.bench.report import Report
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.nn.whisper import LiveEncoder, WhisperConfig, WhisperEncoder
from voiceserver.nn.whisper.ctranslate2_file import openai_checkpoint
from voiceserver.nn.whisper.live import AHEAD, BLOCK, FIRST
from voiceserver.nn.whisper.weights import encoder_weights
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

Floats = NDArray[np.float32]
Listen = Callable[[Floats], Tensor]  # a clip -> its features [leng, D]

# The model's asset of nano, the asset's group, and what its decoder is prompted with.
MODELS = {
    "base": (("judge", "judge"), ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")),
    "tiny.en": (("listener", "run"), ("<|startoftranscript|>",)),
}
# The live encoder's sizes were chosen on QUESTIONS by the first voices: what is lost there is the
# least. LONG_ANSWERS and INTERRUPTIONS by the other voices had no part in it.
TUNING_VOICES = 2
EDGE_S = 0.3  # of noise before and after the question
PIECE_SAMPLES = LISTEN_RATE_HZ // 50  # what a client sends at a time
TOKENS_AT_MOST = 60


@dataclass
class Way:
    """One way of listening, and what came of it."""

    name: str
    listen: Listen
    errors: list[WordErrors] = field(default_factory=list)
    squared_error: float = 0.0
    cpu_s: float = 0.0

    def hear(self, clip: Floats) -> Tensor:
        """The clip's features, timed."""
        begin_s = time.process_time()
        features = self.listen(clip)
        self.cpu_s += time.process_time() - begin_s
        return features

    def relative_error(self, spread: float) -> float:
        return float((self.squared_error / spread) ** 0.5)


class Decoder:
    """The real Whisper's decoder: features -> text, silence after them."""

    def __init__(self, folder: Path, prompt: tuple[str, ...], silence: Tensor) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder), compute_type="float32", intra_threads=1
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        names = (*prompt, "<|notimestamps|>")
        self._prompt = [self._tokenizer.token_to_id(name) for name in names]
        self._silence = silence  # [P, D]

    def write(self, features: Tensor) -> str:
        """features: [n, D]"""
        padded = torch.cat([features, self._silence[len(features) :]])[None]
        states = ctranslate2.StorageView.from_array(np.ascontiguousarray(padded.numpy()))
        (result,) = self._model.generate(
            states, [self._prompt], beam_size=1, max_length=TOKENS_AT_MOST
        )
        return str(self._tokenizer.decode(result.sequences_ids[0])).strip()


class Live:
    """A live encoder fed as a client would, and how long the ends took."""

    def __init__(self, encoder: WhisperEncoder) -> None:
        self._encoder = LiveEncoder(encoder, slots=1)
        self.finishing_ms: list[float] = []

    def __call__(self, clip: Floats) -> Tensor:
        self._encoder.start(0)
        features: list[Tensor] = []
        for position in range(0, len(clip), PIECE_SAMPLES):
            self._encoder.hear(0, clip[position : position + PIECE_SAMPLES])
            features += self._encoder.step().values()
        begin_s = time.perf_counter()
        features.append(self._encoder.finish(0))
        self.finishing_ms.append(1000 * (time.perf_counter() - begin_s))
        self._encoder.stop(0)
        return torch.cat(features)


def clips(texts: int, voices: int, noise: float, held_out: bool) -> Iterator[tuple[str, Floats]]:
    """Spoken sentences at 16 kHz between edges, with noise of this amplitude all over."""
    said = (LONG_ANSWERS + INTERRUPTIONS) if held_out else QUESTIONS
    heard = VOICES[TUNING_VOICES:] if held_out else VOICES
    rng = np.random.default_rng(0)
    edge = np.zeros(int(EDGE_S * LISTEN_RATE_HZ), np.float32)
    for text in said[:texts]:
        for voice in heard[:voices]:
            speech = soxr.resample(speak(text, voice), RATE_HZ, LISTEN_RATE_HZ)
            clip = np.concatenate([edge, speech.astype(np.float32), edge])
            yield text, clip + rng.normal(scale=noise, size=len(clip)).astype(np.float32)


def run(
    model: str,
    questions: int,
    voices: int,
    noise: float,
    told: Callable[[str], None],
    held_out: bool = False,
) -> Report:
    """Measure on one core."""
    torch.set_num_threads(1)
    (asset, group), prompt = MODELS[model]
    folder = resolve("nano", (group,))[asset]
    checkpoint = openai_checkpoint(folder)
    encoder, rounded = (_encoder(checkpoint, int8) for int8 in (False, True))
    silence = encoder.exact(murmur_then_silence(encoder.config.window_samples))
    decoder = Decoder(folder, prompt, silence)
    live, live_int8 = Live(encoder), Live(rounded)
    exact = Way("exact", encoder.exact)
    ways = [exact, Way("live", live), Way("exact int8", rounded.exact), Way("live int8", live_int8)]
    spread = seconds = 0.0
    for text, clip in clips(questions, voices, noise, held_out):
        seconds += len(clip) / LISTEN_RATE_HZ
        wanted = exact.hear(clip)
        spread += float((wanted - wanted.mean(0)).square().sum())
        for way in ways:
            features = wanted if way is exact else way.hear(clip)
            way.squared_error += float((features - wanted).square().sum())
            written = decoder.write(features)
            way.errors.append(word_errors(text, written))
            if way.errors[-1].errors:
                told(f"{way.name}: {text} -> {written}")
    kind = "held-out" if held_out else "tuning"
    report = Report(
        title="listening",
        what=f"{kind} clips: {questions} sentences by {voices} voices, {seconds:.0f} s, noise of "
        f"{noise} of full scale, through the encoder of Whisper {model}: exact (30 s padded) and "
        f"live (blocks of {FIRST}, then {BLOCK} features, {AHEAD} ahead); its own decoder writes "
        "down what it hears; one core",
        headings=("encoder", "feature error %", "word errors %", "CPU % of time", "end ms"),
    )
    ends = {"live": live.finishing_ms, "live int8": live_int8.finishing_ms}
    for way in ways:
        end_ms = float(np.median(ends[way.name])) if way.name in ends else None
        _add(report, way, spread, seconds, end_ms)
    return report


def _encoder(checkpoint: dict[str, Any], int8: bool) -> WhisperEncoder:
    config = WhisperConfig.of_dims(checkpoint["dims"])
    weights = encoder_weights(config, checkpoint["model_state_dict"], int8=int8)
    return WhisperEncoder(config, weights)


def _add(report: Report, way: Way, spread: float, seconds: float, end_ms: float | None) -> None:
    words = total(way.errors)
    error_percent = 100 * way.relative_error(spread)
    cpu_percent = 100 * way.cpu_s / seconds
    report.rows.append(
        (
            way.name,
            f"{error_percent:.1f}",
            f"{words.percent:.1f} ({words.errors} of {words.words})",
            f"{cpu_percent:.0f}",
            "" if end_ms is None else f"{end_ms:.0f}",
        )
    )
    report.numbers[way.name] = {
        "feature_error_percent": error_percent,
        "word_error_percent": words.percent,
        "words": words.words,
        "cpu_percent_of_core": cpu_percent,
        "median_end_ms": end_ms,
    }
