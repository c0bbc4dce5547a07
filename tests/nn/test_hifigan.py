"""The vocoder: pieces equal the whole; slots do not meet."""

import pytest
import torch

from voiceserver.nn.hifigan import DELAY_SAMPLES, HOP_SAMPLES, LATENT_DIMS, HifiGan
from voiceserver.nn.streaming import SlotContexts, Tape, zero_contexts


@pytest.fixture(scope="module")
def vocoder() -> HifiGan:
    torch.set_num_threads(1)  # threads that wait for one another crawl on a busy machine
    torch.manual_seed(0)
    return HifiGan().double().eval()


def whole(vocoder: HifiGan, z: torch.Tensor) -> torch.Tensor:
    contexts = zero_contexts(vocoder.context_shapes(), len(z), torch.float64)
    with torch.inference_mode():
        return vocoder(z, Tape(contexts))


@pytest.mark.parametrize("piece", [1, 2, 7, 13])
def test_pieces_equal_the_whole(vocoder: HifiGan, piece: int) -> None:
    z = torch.randn(2, 26, LATENT_DIMS, dtype=torch.float64)
    contexts = zero_contexts(vocoder.context_shapes(), 2, torch.float64)
    pieces = []
    with torch.inference_mode():
        for chunk in z.split(piece, 1):
            tape = Tape(contexts)
            pieces.append(vocoder(chunk, tape))
            contexts = tape.renewed
    assert torch.allclose(torch.cat(pieces, 1), whole(vocoder, z), rtol=0, atol=1e-10)


def test_an_impulse_is_heard_within_the_delay(vocoder: HifiGan) -> None:
    """A latent changes nothing before its own place in the delayed sound, less its reach."""
    z = torch.zeros(1, 60, LATENT_DIMS, dtype=torch.float64)
    changed = z.clone()
    changed[:, 30] = 1
    difference = (whole(vocoder, z) - whole(vocoder, changed))[0].abs()
    heard = difference.nonzero().flatten()
    assert heard[0] >= 30 * HOP_SAMPLES
    centre = 30 * HOP_SAMPLES + HOP_SAMPLES // 2 + DELAY_SAMPLES
    assert abs(float(heard.double().mean()) - centre) < HOP_SAMPLES


def test_slots_do_not_meet(vocoder: HifiGan) -> None:
    z = torch.randn(3, 14, LATENT_DIMS)
    alone = HifiGan().eval()
    alone.load_state_dict({k: v.float() for k, v in vocoder.state_dict().items()})
    contexts = SlotContexts(alone.context_shapes(), 4)
    heard: dict[int, list[torch.Tensor]] = {0: [], 2: [], 3: []}
    with torch.inference_mode():
        for rows, slots in (([0, 1], [2, 0]), ([0, 1, 2], [2, 0, 3])):
            index = torch.tensor(slots)
            tape = Tape(contexts.read(index))
            step = len(heard[2])
            samples = alone(z[rows, 7 * step : 7 * step + 7], tape)
            contexts.write(index, tape.renewed)
            for slot, row in zip(slots, samples, strict=True):
                heard[slot].append(row)
        expected = alone(z[:2], Tape(zero_contexts(alone.context_shapes(), 2)))
    for slot, row in ((2, 0), (0, 1)):
        assert torch.allclose(torch.cat(heard[slot]), expected[row], atol=1e-5)
