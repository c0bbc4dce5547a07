from __future__ import annotations

import pytest

from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.prompts import Task

EOT, PAD_T, INPUT_T, ANSWER_T, ASR = range(151_936, 151_941)
EOA, PAD_A, INPUT_A, ANSWER_A = range(4096, 4100)


@pytest.mark.parametrize(
    ("task", "audio_end", "text_end"),
    [
        (Task.A1A2, ANSWER_A, ANSWER_T),
        (Task.A1T2, PAD_A, ANSWER_T),
        (Task.A1T1, PAD_A, ASR),
    ],
)
def test_spoken_prompts(task: Task, audio_end: int, text_end: int) -> None:
    streams = prompts.spoken_prompt(task, 3).T.tolist()
    assert streams[:7] == [[INPUT_A, PAD_A, PAD_A, PAD_A, EOA, audio_end]] * 7
    assert streams[7] == [INPUT_T, PAD_T, PAD_T, PAD_T, EOT, text_end]


@pytest.mark.parametrize(("task", "audio_end"), [(Task.T1A2, ANSWER_A), (Task.T1T2, PAD_A)])
def test_typed_prompts(task: Task, audio_end: int) -> None:
    streams = prompts.typed_prompt(task, [10, 11]).T.tolist()
    assert streams[:7] == [[PAD_A] * 4 + [audio_end]] * 7
    assert streams[7] == [INPUT_T, 10, 11, EOT, ANSWER_T]


def test_the_pieces_of_a_prompt_are_the_prompt() -> None:
    assert prompts.listening(0).shape == (0, 8)
    assert prompts.typed([]).tolist() == [[PAD_A] * 7 + [INPUT_T], [PAD_A] * 7 + [EOT]]
