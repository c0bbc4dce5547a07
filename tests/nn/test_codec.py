"""The codec: components come back, digits are bounded, the decoder streams."""

import pytest
import torch

from voiceserver.nn.codec import FRAME_LATENTS, TIME, Codec, CodecShape
from voiceserver.nn.hifigan import LATENT_DIMS
from voiceserver.nn.streaming import Tape, zero_contexts

SHAPE = CodecShape(width=32)


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(SHAPE).double().eval()


@pytest.mark.parametrize("piece", [1, 3, 5])
def test_pieces_equal_the_whole(codec: Codec, piece: int) -> None:
    digits = torch.randint(-2, 3, (2, 15, SHAPE.dims)).double()
    shapes = codec.decoder.context_shapes()
    contexts = zero_contexts(shapes, 2, torch.float64)
    pieces = []
    for chunk in digits.split(piece, TIME):
        tape = Tape(contexts)
        pieces.append(codec.decode(chunk, tape))
        contexts = tape.renewed
    whole = codec.decode(digits, Tape(zero_contexts(shapes, 2, torch.float64)))
    assert torch.allclose(torch.cat(pieces, TIME), whole, rtol=0, atol=1e-10)


def test_components_keep_what_varies(codec: Codec) -> None:
    """Latents that move in as many directions as there are components come back exactly."""
    directions = torch.randn(SHAPE.components, LATENT_DIMS).double()
    z = torch.randn(500, SHAPE.components).double() @ directions + 3.0
    fitted = Codec(SHAPE).double()
    fitted.fit_components(z)
    sequence = z[: 4 * FRAME_LATENTS][None]
    assert torch.allclose(fitted.latents(fitted.frames(sequence)), sequence, atol=1e-8)


def test_digits_are_bounded(codec: Codec) -> None:
    digits = codec.encode(100 * torch.randn(1, 4, SHAPE.frame_components).double())
    assert digits.shape == (1, 4, SHAPE.dims)
    assert digits.abs().max() <= SHAPE.top


def test_a_head_fits_the_code_budget() -> None:
    shape = CodecShape()
    assert shape.codes <= 1024
    assert shape.codes**shape.heads == shape.levels**shape.dims
