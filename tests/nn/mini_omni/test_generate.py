"""How answers end. Logits are rigged, as random weights end nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from voiceserver.nn.mini_omni.errors import CacheFull
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import EOA, EOT, PAD_A, PAD_T

from ...parity import drawn

FRAMES = 4
POSITIONS = drawn.config().positions


class Scripted(MiniOmni):
    """Ends streams in the columns it is told to, and keeps what it was fed."""

    def __init__(self, audio_ends: dict[int, list[int]], text_ends: list[int]) -> None:
        super().__init__(drawn.config(), drawn.small_state(), torch.device("cpu"), torch.float32)
        self._audio_ends, self._text_ends = audio_ends, text_ends
        self._column = -1
        self.fed: list[list[list[int]]] = []

    def read(self, cache: object, segments: list[Segment]) -> Tensor:  # type: ignore[override]
        self._column += 1
        self.fed.append([segment.ids[-1].tolist() for segment in segments])
        return super().read(cache, segments)  # type: ignore[arg-type]

    def audio_logits(self, hidden: Tensor) -> Tensor:
        logits = super().audio_logits(hidden)
        for stream in self._audio_ends.get(self._column, []):
            logits[:, stream, EOA] = 1e4
        return logits

    def text_logits(self, hidden: Tensor) -> Tensor:
        logits = super().text_logits(hidden)
        logits[:, EOT] = 1e4 if self._column in self._text_ends else -1e4
        return logits


def heard() -> Tensor:
    return drawn.features(1, FRAMES, drawn.config().whisper_dim)


def test_the_last_audio_stream_ends_a_spoken_answer_before_its_column() -> None:
    model = Scripted({2: [0, 5], 4: [6], 6: [6]}, [])
    streams = generate(model, Task.A1A2, features=heard())
    assert [len(stream) for stream in streams] == [4] * 8
    assert streams[0][2] == streams[5][2] == EOA


def test_the_first_column_is_not_looked_at() -> None:
    model = Scripted({0: [6], 3: [6]}, [0])
    streams = generate(model, Task.A1A2, features=heard(), written_by=Task.A1T2)
    assert len(streams[7]) == 3
    assert (streams[6][0], streams[7][0]) == (EOA, EOT)
    assert PAD_T not in streams[7]


@pytest.mark.parametrize("written_by", [None, Task.A1T2])
def test_eot_is_fed_once_and_then_pad(written_by: Task | None) -> None:
    model = Scripted({6: [6]}, [2])
    streams = generate(model, Task.A1A2, features=heard(), written_by=written_by)
    assert streams[7][2:] == [EOT, PAD_T, PAD_T, PAD_T]
    fed = [[row[7] for row in rows] for rows in model.fed[1:]]
    rows = 1 if written_by is None else 2
    assert fed == [[text] * rows for text in streams[7]]


def test_the_writing_row_hears_nothing() -> None:
    model = Scripted({4: [6]}, [])
    streams = generate(model, Task.A1A2, features=heard(), written_by=Task.A1T2)
    for (speaking, writing), column in zip(model.fed[1:], zip(*streams, strict=True), strict=True):
        assert speaking == list(column)
        assert writing[:7] == [PAD_A] * 7


@pytest.mark.parametrize("task", [Task.A1T2, Task.A1T1, Task.T1T2])
def test_eot_ends_a_written_answer_and_is_not_in_it(task: Task) -> None:
    model = Scripted({}, [0, 5])
    (text,) = generate(model, task, features=heard(), text=[1, 2])
    assert len(text) == 5
    assert text[0] == EOT
    assert EOT not in text[1:]
    assert [rows[0] for rows in model.fed[1:]] == [[PAD_A] * 7 + [token] for token in text]


def test_nothing_ends_but_the_positions() -> None:
    streams = generate(Scripted({}, []), Task.A1A2, features=heard())
    assert len(streams[0]) == POSITIONS - (FRAMES + 3)
    (text,) = generate(Scripted({}, []), Task.T1T2, text=[1], max_returned_tokens=20)
    assert len(text) == 20 - 4


def test_features_that_are_too_long_are_refused() -> None:
    long = drawn.features(1, POSITIONS - 2, drawn.config().whisper_dim)
    with pytest.raises(CacheFull, match="do not fit 96 positions"):
        generate(drawn.small_model(), Task.A1T2, features=long)
    with pytest.raises(CacheFull):
        generate(drawn.small_model(), Task.T1T2, text=[1], max_returned_tokens=POSITIONS + 1)
