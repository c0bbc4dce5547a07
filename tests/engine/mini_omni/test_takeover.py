"""Early pieces and the exact stream are put together without a click, a gap or a repetition."""

import numpy as np
import pytest

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.takeover import FADE_SAMPLES, TakeOver

FRAME = 2048
EXACT = np.sin(np.arange(8 * FRAME) / 40).astype(np.float32)


def early_piece(frames: int, offset: float) -> Samples:
    """What a window over the first frames might give: the sound, but wrong by an offset."""
    return EXACT[: frames * FRAME] + np.float32(offset)


def roughness(samples: Samples) -> float:
    return float(np.abs(np.diff(samples, 2)).max())


def test_without_an_early_start_the_stream_passes_through() -> None:
    joining = TakeOver(early=False)
    heard = [joining.stream(piece) for piece in np.split(EXACT, [0, 100, 5000])]
    assert np.array_equal(np.concatenate(heard), EXACT)


@pytest.mark.parametrize("pieces", [1, 3])
def test_joints_are_smooth(pieces: int) -> None:
    joining = TakeOver(early=True)
    heard = [joining.provisional(early_piece(n, 0.3 * (-1) ** n), 0) for n in range(1, pieces + 1)]
    assert [len(piece) for piece in heard] == [FRAME - FADE_SAMPLES] + [FRAME] * (pieces - 1)
    heard.append(joining.stream(EXACT[: pieces * FRAME - 1]))  # a sample short of taking over
    assert len(heard[-1]) == 0
    assert not joining.exact
    heard.append(joining.stream(EXACT[pieces * FRAME - 1 :]))
    assert joining.exact
    sound = np.concatenate(heard)
    assert len(sound) == len(EXACT) == joining.returned
    assert np.array_equal(sound[pieces * FRAME :], EXACT[pieces * FRAME :])
    # A fade over n samples of a step of height h bends by at most h pi^2 / (2 n^2).
    bend = 0.6 * np.pi**2 / (2 * FADE_SAMPLES**2)
    assert roughness(sound) < roughness(EXACT) + 1.1 * bend + 1e-6
    hard = np.concatenate([early_piece(1, -0.3), EXACT[FRAME:]])
    assert roughness(hard) > 10 * roughness(sound), "the measure would notice a click"


def test_windows_that_begin_later_continue_the_sound() -> None:
    joining = TakeOver(early=True)
    heard = [joining.provisional(EXACT[:FRAME], 0)]
    heard.append(joining.provisional(EXACT[FRAME // 2 : 3 * FRAME], FRAME // 2))
    heard.append(joining.stream(EXACT))
    np.testing.assert_allclose(np.concatenate(heard), EXACT, atol=1e-6)


def test_a_stream_that_runs_beside_early_pieces_is_not_repeated() -> None:
    joining = TakeOver(early=True)
    heard = [joining.provisional(early_piece(2, 0.5), 0)]
    for piece in np.split(EXACT, [700, 3000, 3900]):
        heard.append(joining.stream(piece))
    sound = np.concatenate(heard)
    assert [len(piece) for piece in heard[1:4]] == [0, 0, 0]
    assert np.array_equal(sound[2 * FRAME :], EXACT[2 * FRAME :])
    assert len(sound) == len(EXACT)


def test_what_is_held_back_is_not_heard() -> None:
    """The end of an early piece comes from the stream, but for the fade."""
    joining, held = TakeOver(early=True, held_samples=900), 900
    heard = [joining.provisional(early_piece(1, 0.5), 0)]
    assert len(heard[0]) == FRAME - held
    assert len(joining.stream(EXACT[: FRAME - held + FADE_SAMPLES - 1])) == 0
    heard.append(joining.stream(EXACT[FRAME - held + FADE_SAMPLES - 1 :]))
    sound, exact_from = np.concatenate(heard), FRAME - held + FADE_SAMPLES
    assert np.array_equal(sound[exact_from:], EXACT[exact_from:])
    assert np.all(sound[: FRAME - held] == EXACT[: FRAME - held] + np.float32(0.5))
