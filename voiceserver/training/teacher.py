"""The teacher: a Piper VITS voice, run up to its latent `z` only, with its phoneme durations.

Without noise the latent is a function of the phonemes alone, which is what makes it learnable
from a few hours. Its HiFi-GAN (the part after `z`) is not run here; `nn.hifigan` owns it.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from voiceserver.audio.pronunciation import SENTENCE_STOP

LATENT_OUTPUT = "/Mul_7_output_0"  # [1, LATENT_DIMS, T] at LATENT_HZ
DURATION_OUTPUT = "/Ceil_output_0"  # [1, 1, ids], in latents
TEACHER_FILE = "en_US-joe-medium.onnx"
PAD = "_"
# noise_scale, length_scale, noise_w: no noise, the voice's own tempo.
NOISELESS = np.array([0.0, 1.0, 0.0], np.float32)


@dataclass(frozen=True)
class TaughtSentence:
    symbols: tuple[str, ...]  # "^" ... "$"
    durations: NDArray[np.int16]  # [symbols, 2]: latents of the symbol and of the pad behind it
    latents: NDArray[np.float16]  # [T, LATENT_DIMS], T = durations.sum()


class Teacher:
    def __init__(self, onnx_path: Path, threads: int = 1) -> None:
        config = json.loads(Path(f"{onnx_path}.json").read_text())
        self.symbol_ids: dict[str, int] = {
            symbol: ids[0] for symbol, ids in config["phoneme_id_map"].items()
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            _up_to_latent(onnx_path), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, symbols: Sequence[str]) -> TaughtSentence:
        """One sentence from its start to its stop symbol."""
        known = tuple(symbol for symbol in symbols if symbol in self.symbol_ids)
        assert known[-1:] == (SENTENCE_STOP,), known
        pad = self.symbol_ids[PAD]
        ids = [i for symbol in known for i in (self.symbol_ids[symbol], pad)][:-1]
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": NOISELESS,
        }
        z, durations = self._session.run([LATENT_OUTPUT, DURATION_OUTPUT], inputs)
        # The stop symbol has no pad behind it.
        paired = np.append(durations.reshape(-1), 0).astype(np.int16).reshape(-1, 2)
        latents = z[0].T.astype(np.float16)
        assert paired.sum() == len(latents), (paired.sum(), latents.shape)
        return TaughtSentence(known, paired, latents)


def _up_to_latent(onnx_path: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / "latent.onnx"
        onnx.utils.extract_model(
            str(onnx_path),
            str(cut),
            ["input", "input_lengths", "scales"],
            [LATENT_OUTPUT, DURATION_OUTPUT],
        )
        return cut.read_bytes()
