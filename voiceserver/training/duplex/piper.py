"""Many users from one Piper voice, at a sixth of real time: tempo, prosody and size are varied.

The whole VITS graph runs here, with the noise that makes every reading different. Its durations
say where words end, so marks of a text (`Tell me | a story.`) are places in the sound.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from voiceserver.audio.pronunciation import PUNCTUATION, SENTENCE_STOP, SPACE, Word, pronounce
from voiceserver.nn.hifigan import HOP_SAMPLES, SAMPLE_RATE_HZ
from voiceserver.scenes.kokoro import Spoken
from voiceserver.scenes.voices import heard_at
from voiceserver.training.teacher import DURATION_OUTPUT, PAD

Samples = NDArray[np.float32]
Span = tuple[int, int]

MARK = "| "
PEAK = 0.5  # of full scale
QUIET = 0.01  # of the peak: at either end this is not yet speech
SENTENCE_GAP_S = (0.15, 0.4)


@dataclass(frozen=True)
class Manner:
    """How something is said: by whom, how fast, how lively."""

    size: float = 1.0  # pitch and formants go up by this factor
    slowness: float = 1.0
    liveliness: float = 0.667  # noise of the latent
    unevenness: float = 0.8  # noise of the durations


class PiperSpeaker:
    """The teacher's voice, from text to sound."""

    def __init__(self, onnx_path: Path) -> None:
        config = json.loads(Path(f"{onnx_path}.json").read_text("utf-8"))
        self._ids: dict[str, int] = {s: ids[0] for s, ids in config["phoneme_id_map"].items()}
        graph = onnx.load(str(onnx_path))
        graph.graph.output.append(
            onnx.helper.make_tensor_value_info(DURATION_OUTPUT, onnx.TensorProto.FLOAT, None)
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def read(self, text: str, manner: Manner, random: np.random.Generator) -> Spoken:
        """The text in this manner at LISTEN_RATE_HZ; gaps between sentences come from `random`."""
        plain = text.replace(MARK, "")
        marked = _marked_words(text, pronounce(plain))
        pieces: list[Samples] = []
        spans: list[Span] = []
        length = 0
        for sentence in _sentences(pronounce(plain)):
            if pieces:
                gap = round(random.uniform(*SENTENCE_GAP_S) * SAMPLE_RATE_HZ)
                if sentence[0].char_start in marked:
                    spans.append((length, length + gap))
                pieces.append(np.zeros(gap, np.float32))
                length += gap
            samples, gaps = self._sentence(sentence, marked, manner)
            spans += [(begin + length, end + length) for begin, end in gaps]
            pieces.append(samples)
            length += len(samples)
        spoken = Spoken(np.concatenate(pieces), tuple(sorted(spans)))
        return heard_at(spoken, SAMPLE_RATE_HZ * manner.size)

    def _sentence(
        self, words: Sequence[Word], marked: set[int], manner: Manner
    ) -> tuple[Samples, list[Span]]:
        """Sound of a sentence, and the gaps before its marked words, at SAMPLE_RATE_HZ."""
        symbols: list[str] = []
        gaps: list[Span] = []  # in symbols
        for word in words:
            known = [symbol for symbol in word.symbols if symbol in self._ids]
            if word.char_start in marked and symbols:
                begin = len(symbols) - (symbols[-1] in PUNCTUATION)
                gaps.append((begin, len(symbols) + (known[:1] == [SPACE])))
            symbols += known
        pad = self._ids[PAD]
        ids = [i for symbol in symbols for i in (self._ids[symbol], pad)][:-1]
        scales = [manner.liveliness, manner.slowness * manner.size, manner.unevenness]
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        sound, durations = self._session.run(["output", DURATION_OUTPUT], inputs)
        starts = np.concatenate([[0], durations.ravel().cumsum()]).astype(int) * HOP_SAMPLES
        spans = [(int(starts[2 * begin]), int(starts[2 * end])) for begin, end in gaps]
        return _trimmed(np.asarray(sound, np.float32).ravel(), spans)


def _marked_words(text: str, words: Sequence[Word]) -> set[int]:
    """Where the words after the marks begin in the text without marks."""
    places: list[int] = []
    removed = 0
    while (place := text.find(MARK, removed and places[-1] + removed)) >= 0:
        places.append(place - removed)
        removed += len(MARK)
    return {next(word.char_start for word in words if word.char_end > place) for place in places}


def _sentences(words: Sequence[Word]) -> list[list[Word]]:
    sentences: list[list[Word]] = [[]]
    for word in words:
        sentences[-1].append(word)
        if word.symbols[-1] == SENTENCE_STOP:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _trimmed(sound: Samples, spans: Sequence[Span]) -> tuple[Samples, list[Span]]:
    """Without the silence at its ends."""
    peak = float(np.abs(sound).max())
    loud = np.flatnonzero(np.abs(sound) > QUIET * peak)
    first, end = int(loud[0]), int(loud[-1]) + 1
    return sound[first:end] * np.float32(PEAK / peak), [(b - first, e - first) for b, e in spans]
