"""Whole answers from whole prompts, greedily, in the order of the published code.

For comparing with it, and for what needs no hurry. A session's steps are in `engine`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.errors import CacheFull
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import AUDIO_STREAMS, EOA, EOT, PAD_A, PAD_T, TEXT_STREAM

LAST_AUDIO = AUDIO_STREAMS - 1  # the stream whose end ends the answer
ALL_PAD_A = [PAD_A] * AUDIO_STREAMS


def generate(
    model: MiniOmni,
    task: Task,
    *,
    features: Tensor | None = None,
    text: Sequence[int] | None = None,
    written_by: Task | None = None,
    max_returned_tokens: int | None = None,
) -> list[list[int]]:
    """The answer's streams: eight of a spoken answer (the last is text), one of a written answer.

    `features` [m, whisper] or the prompt's `text`, as the task asks. `written_by` adds the second
    row of batch-parallel decoding: A1A2 spoken by one row, its text written by another as A1T2.
    `max_returned_tokens` counts the prompt's columns as well.
    """
    tasks = [task] if written_by is None else [task, written_by]
    assert task.spoken or written_by is None, f"{task} has no speaking row"
    rows = [_prompt(t, features, text) for t in tasks]  # [T, 8] each
    most = model.config.positions if max_returned_tokens is None else max_returned_tokens
    if most > model.config.positions or len(rows[0]) > most:
        raise CacheFull(
            f"{len(rows[0])} columns of prompt and {most} in all do not fit "
            f"{model.config.positions} positions"
        )
    reading = _Reading(model, rows, features if task.heard else None)
    return _spoken(reading, most) if task.spoken else [_written(reading, most)]


class _Reading:
    """One or two rows: the first speaks or writes alone, the second writes for the first."""

    def __init__(self, model: MiniOmni, prompts_: list[Tensor], features: Tensor | None) -> None:
        self._model = model
        self._cache = model.new_cache(len(prompts_))
        self.prompt_columns = len(prompts_[0])
        self._hidden = self._read(prompts_, features)

    def _read(self, columns: list[Tensor], features: Tensor | None = None) -> Tensor:
        """What the heads take after each row's last column: [rows, D]"""
        at = prompts.FEATURES_AT if features is not None else 0
        segments = [Segment(row, ids, features, at) for row, ids in enumerate(columns)]
        hidden = self._model.read(self._cache, segments)
        return hidden.view(len(columns), -1, hidden.shape[-1])[:, -1]

    def audio(self) -> list[int]:
        best: list[int] = self._model.audio_logits(self._hidden[:1])[0].argmax(-1).tolist()
        return best

    def text(self) -> int:
        return int(self._model.text_logits(self._hidden[-1:])[0].argmax())

    def feed(self, audio: list[int], text: int) -> None:
        """The speaking row hears itself; the writing row never does."""
        rows = [[*audio, text], [*ALL_PAD_A, text]][: len(self._hidden)]
        self._hidden = self._read([torch.tensor([row]) for row in rows])


def _spoken(reading: _Reading, most: int) -> list[list[int]]:
    """Until the last audio stream ends. The first column is not looked at for ends."""
    columns = [[*reading.audio(), reading.text()]]
    text_ended = False
    for _ in range(most - reading.prompt_columns - 1):
        reading.feed(columns[-1][:TEXT_STREAM], columns[-1][TEXT_STREAM])
        audio = reading.audio()
        text = PAD_T if text_ended else reading.text()
        if audio[LAST_AUDIO] == EOA:
            break
        text_ended = text_ended or text == EOT
        columns.append([*audio, text])
    return [list(stream) for stream in zip(*columns, strict=True)]


def _written(reading: _Reading, most: int) -> list[int]:
    """Until the text ends. The first token is not looked at for its end."""
    tokens = [reading.text()]
    for _ in range(most - reading.prompt_columns - 1):
        reading.feed(ALL_PAD_A, tokens[-1])
        token = reading.text()
        if token == EOT:
            break
        tokens.append(token)
    return tokens


def _prompt(task: Task, features: Tensor | None, text: Sequence[int] | None) -> Tensor:
    if task.heard:
        assert features is not None, f"{task} hears features"
        return prompts.spoken_prompt(task, len(features))
    assert text is not None, f"{task} reads text"
    return prompts.typed_prompt(task, text)
