"""Frames with ids outside the codebook: never decoded, faded, counted."""

import numpy as np
import pytest

from voiceserver.engine.mini_omni.concealment import RETURN_SAMPLES, Concealment

FRAME = 2048
GOOD = np.arange(7)


def bad(value: int) -> np.ndarray:
    return np.where(GOOD == 3, value, GOOD)


def gains(concealment: Concealment, frames: int) -> np.ndarray:
    return concealment.faded(np.ones(frames * FRAME, np.float32), 0)


@pytest.mark.parametrize("value", [-1, 4096, 4097, 4159, 2**40])
def test_ids_outside_never_reach_the_codebook(value: int) -> None:
    concealment = Concealment(4096, 7, FRAME)
    first = concealment.decodable(bad(value))
    assert first.tolist() == [0] * 7
    concealment.decodable(GOOD + 9)
    assert np.array_equal(concealment.decodable(bad(value)), GOOD + 9)
    assert concealment.concealed_frames == 2


@pytest.mark.parametrize("value", [0, 4095])
def test_ids_at_the_edges_are_good(value: int) -> None:
    concealment = Concealment(4096, 7, FRAME)
    assert np.array_equal(concealment.decodable(bad(value)), bad(value))
    assert concealment.concealed_frames == 0


def test_sound_fades_and_comes_back() -> None:
    concealment = Concealment(4096, 7, FRAME)
    for codes in (GOOD, bad(-1), bad(-1), bad(-1), GOOD, GOOD):
        concealment.decodable(codes)
    gain = gains(concealment, 6)
    assert np.all(gain[:FRAME] == 1)
    assert gain[2 * FRAME] == pytest.approx(0.5)
    assert np.all(gain[3 * FRAME : 4 * FRAME] == 0)
    assert np.all(gain[4 * FRAME + RETURN_SAMPLES :] == 1)
    assert np.abs(np.diff(gain)).max() <= 1 / RETURN_SAMPLES + 1e-6, "a jump clicks"


def test_before_the_first_good_frame_there_is_silence() -> None:
    concealment = Concealment(4096, 7, FRAME)
    for codes in (bad(-1), bad(-1), GOOD):
        concealment.decodable(codes)
    gain = gains(concealment, 3)
    assert np.all(gain[: 2 * FRAME] == 0)
    assert np.all(gain[2 * FRAME + RETURN_SAMPLES :] == 1)


def test_the_gain_is_that_of_the_place() -> None:
    concealment = Concealment(4096, 7, FRAME)
    for codes in (GOOD, bad(-1), GOOD):
        concealment.decodable(codes)
    whole = gains(concealment, 3)
    part = concealment.faded(np.ones(1500, np.float32), 1800)
    assert np.array_equal(part, whole[1800:3300])


def test_a_good_utterance_is_untouched() -> None:
    concealment = Concealment(4096, 7, FRAME)
    concealment.decodable(GOOD)
    samples = np.ones(5, np.float32)
    assert concealment.faded(samples, 0) is samples
