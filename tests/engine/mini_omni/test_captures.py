"""What CUDA graphs hold reads nothing on the host and brings nothing from it.

Checked without a GPU: the captured functions run on CPU tensors that say they are on CUDA, so that
the code takes the way it takes there, and every operation is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from voiceserver import kernels
from voiceserver.engine.mini_omni.codec import GraphCodec
from voiceserver.engine.mini_omni.graphs import GraphRunner, Replay
from voiceserver.engine.mini_omni.program import StepProgram
from voiceserver.nn.snac import Snac, SnacConfig

from ...parity import drawn

SPEAKING, WRITING = 1, 1


class NotCapturable(Exception):
    pass


class OnlyCapturable(TorchDispatchMode):
    """Refuses operations that wait for the device, or whose shapes depend on what it holds."""

    READS = frozenset(
        ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "unique")
    )

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = operation.overloadpacket.__name__
        made_on_host = name == "lift_fresh" and args[0].dim() > 0  # torch.tensor([...])
        counted = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in self.READS or made_on_host or counted:
            raise NotCapturable(name)
        return operation(*args, **(kwargs or {}))


def checked(function: Replay) -> Replay:
    """In the place of a capture, after a warm-up as captures have it."""
    function()
    with OnlyCapturable(), pytest.MonkeyPatch.context() as patch:
        for name in ("tolist", "numpy"):  # no operations on a CPU
            patch.setattr(Tensor, name, _refused)
        function()
    return function


def _refused(_: Tensor) -> None:
    raise NotCapturable("a read on the host")


@pytest.fixture
def _as_on_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Tensor, "is_cuda", property(lambda _: True), raising=True)
    with kernels.forced("torch"):
        yield


@pytest.mark.usefixtures("_as_on_cuda")
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_a_step_can_be_captured(temperature: float) -> None:
    model = drawn.small_model()
    voices = SPEAKING + WRITING
    program = StepProgram(model, model.new_cache(2 * voices, 16), voices)
    for voice in range(voices):
        program.set(voice, torch.zeros(8, dtype=torch.int64), temperature, voice)
    GraphRunner(program, SPEAKING, WRITING, checked).capture_all()


@pytest.mark.usefixtures("_as_on_cuda")
def test_a_frame_of_the_codec_can_be_captured() -> None:
    snac = Snac.random(SnacConfig(24_000, 32, (4, 2), 12, (4, 2, 1), codebook_size=64))
    GraphCodec(snac, 3, checked).capture_all(window_frames=2)


def test_what_cannot_be_captured_is_noticed() -> None:
    numbers = torch.ones(3)
    for wrong in (
        lambda: float(numbers.sum()),
        lambda: numbers[numbers > 0],
        lambda: numbers + torch.tensor([1.0, 2.0, 3.0]),
        lambda: numbers.tolist(),
    ):
        with pytest.raises(NotCapturable):
            checked(wrong)
