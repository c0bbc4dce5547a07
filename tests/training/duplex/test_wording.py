"""Turns broken off, read by the real text model."""

from __future__ import annotations

import numpy as np
import torch

from voiceserver.assets import resolve
from voiceserver.nn.judges import ENDS, WORDING
from voiceserver.scenes.texts import texts
from voiceserver.training.duplex.development import OF_THEIR_OWN, development_texts
from voiceserver.training.duplex.wording import Reader, broken_off, turns, without_marks
from voiceserver.training.replies import Reply

TURN = "My phone is wet. | I dropped it | in the sink. | What can I do?"
REPLIES = [Reply("How are you?", "I am fine, thank you.")]


def test_a_turn_is_broken_off_at_its_marks_and_somewhere_else() -> None:
    said = list(broken_off(TURN, np.random.default_rng(0)))
    whole = without_marks(TURN)
    assert said[:3] == [
        "My phone is wet.",
        "My phone is wet. I dropped it",
        "My phone is wet. I dropped it in the sink.",
    ]
    assert all(whole.startswith(part) and part != whole for part in said)
    assert len(said) == 4
    assert list(broken_off("Stop!", np.random.default_rng(0))) == []


def test_what_is_held_out_or_for_development_is_not_trained_on() -> None:
    training, held_out = (
        turns(part, np.random.default_rng(0)) for part in ("training", "held_out")
    )
    assert set(texts("long_turns", "held_out")) <= set(held_out)
    development = [text for kind in OF_THEIR_OWN for text in development_texts(kind)]
    known = {without_marks(text).lower() for text in training}
    assert not known & {without_marks(text).lower() for text in [*held_out, *development]}


def test_the_engines_own_features_are_kept_and_halves_weigh_as_much_as_wholes() -> None:
    torch.set_num_threads(1)
    reader, told = Reader(resolve("nano", quiet=True)["thinker"], REPLIES), list[int]()
    judged = reader.examples([TURN, "Stop!"], np.random.default_rng(1), told.append)
    assert judged.features.shape == (9, WORDING.features)
    assert [ENDS[c] for c in judged.classes] == ["goes_on"] * 4 + ["yields"] * 5
    assert told == [1, 2]
    ends = judged.features[4:8]
    assert np.array_equal(ends, ends[:1].repeat(4, 0))
    half = reader.features((), "My phone is")
    assert half is not None
    assert half[-1] < judged.features[4, -1], "a sentence does not end there"
    assert reader.features((), "...") is None
