"""Greedy decoding of Whisper, with a draft: the most probable token follows, and the next.

A draft is a guess at the whole text, such as what was read of the same speech a moment earlier. One
pass over all of it tells how far it is what would have been written anyway, and one token more.
What is left of it is then a guess at what follows. So a draft saves time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.nn.whisper.ctranslate2_file import Suppressed
from voiceserver.nn.whisper.decoder import Memory, WhisperDecoder, Written

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Signs:
    """Tokens that are no text."""

    prompt: tuple[int, ...]  # begins with the one that says that a transcript starts
    end: int
    no_speech: int  # whose probability at the start tells whether nobody speaks
    suppressed: Suppressed


@dataclass(frozen=True)
class Reading:
    """What was written of a sound."""

    tokens: tuple[int, ...]  # without prompt and end
    no_speech_probability: float
    log_probability: float  # of the text and its end, divided by the text's length
    passes: int  # of the decoder


class GreedyDecoder:
    """Writes what encoder states say; keeps no state between calls."""

    def __init__(self, decoder: WhisperDecoder, signs: Signs, silence: Floats) -> None:
        # silence: [P, D] states of nobody speaking, at every position
        self._decoder = decoder
        self._signs = signs
        self._silence = decoder.memory(torch.from_numpy(silence))
        self._never = torch.tensor(signs.suppressed.always)
        self._never_first = torch.tensor(signs.suppressed.first)

    def read(
        self, states: Floats, silent_states: int, longest: int, draft: Sequence[int] = ()
    ) -> Reading:
        """At most `longest` tokens of encoder states [S, D] and the silence behind them."""
        said = self._decoder.memory(torch.from_numpy(states))
        memory = said.followed_by(self._silence, len(said), len(said) + silent_states)
        return self._write(memory, longest, tuple(draft[: longest - 1]))

    @torch.inference_mode()
    def _write(self, memory: Memory, longest: int, draft: tuple[int, ...]) -> Reading:
        prompt, end = self._signs.prompt, self._signs.end
        written = Written(self._decoder.config, len(prompt) + longest)
        logits = self._decoder.extend(written, prompt + draft, memory)  # [prompt + draft, V]
        no_speech = logits[0].softmax(dim=0)[self._signs.no_speech].item()
        logits = logits[len(prompt) - 1 :]
        logits[0, self._never_first] = -torch.inf
        tokens: list[int] = []
        log_probability, passes, guess = 0.0, 1, draft
        while True:
            best = self._best(logits, guess)
            for token, log_probability_of_it in best:
                log_probability += log_probability_of_it
                if token == end or len(tokens) == longest - 1:
                    tokens += [token] * (token != end)
                    mean = log_probability / len(tokens) if tokens else -np.inf
                    return Reading(tuple(tokens), no_speech, mean, passes)
                tokens.append(token)
            guess = left_of(guess[len(best) :], tokens[-1]) or draft[-1:]
            guess = guess[: longest - len(tokens)]
            written.shorten(len(prompt) + len(tokens) - 1)
            logits = self._decoder.extend(written, (tokens[-1], *guess), memory)
            passes += 1

    def _best(self, logits: Tensor, guess: tuple[int, ...]) -> list[tuple[int, float]]:
        """The tokens that logits [guess + 1, V] agree on with a guess, and the one after them."""
        logits[:, self._never] = -torch.inf
        peaks = logits.max(dim=1)
        best: list[int] = peaks.indices.tolist()
        wrong = (i for i, token in enumerate(guess) if best[i] != token)
        count = next(wrong, len(guess)) + 1
        scores = peaks.values[:count] - logits[:count].logsumexp(dim=1)
        return list(zip(best[:count], scores.tolist(), strict=True))


def left_of(guess: tuple[int, ...], token: int) -> tuple[int, ...]:
    """What may follow a token that stands in the place of the one before this guess.

    Either it was that one under another name, or those up to the token were too many.
    """
    return guess[guess.index(token) + 1 :] if token in guess else guess
