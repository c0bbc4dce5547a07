"""SNAC decoded frame by frame, exactly: the same samples as of the whole, DELAY later.

Every layer is a delay line of fixed length: what it looks ahead to, it waits for. So a step has one
shape always, takes whole frames of any streams together, and needs to know of each only its place:
rows before the beginning and behind the end are masked to the zeros that padding would have put
there. Nothing is read on the host, and the state is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from voiceserver.nn.snac.decoder import Masked, latents_of, samples_of
from voiceserver.nn.snac.network import Snac
from voiceserver.nn.snac.plan import Layout, Plan

ENDLESS: Final = 2**40  # latents


class SnacState:
    """What streams keep between steps; the first dimension of every tensor is the slot."""

    def __init__(self, snac: Snac, slots: int) -> None:
        config, device = snac.config, snac.device
        lines = Layout.of(config, config.frame_latents).lines
        self.lines = [
            torch.zeros(slots, line.context, line.channels, dtype=snac.dtype, device=device)
            for line in lines
        ]
        self.latents = torch.zeros(slots, dtype=torch.int64, device=device)  # taken in
        self.ends = torch.full_like(self.latents, ENDLESS)  # latents of the whole utterance
        self.seeds = torch.zeros_like(self.latents)

    @property
    def slot_bytes(self) -> int:
        tensors = [*self.lines, self.latents, self.ends, self.seeds]
        return sum(tensor[0].numel() * tensor.element_size() for tensor in tensors)

    def reset(self, slot: int, seed: int = 0) -> None:
        """A new utterance; nothing of an earlier one is left."""
        for line in self.lines:
            line[slot] = 0
        self.latents[slot] = 0
        self.ends[slot] = ENDLESS
        self.seeds[slot] = seed

    def finish(self, slot: int, latents: int) -> None:
        """The utterance has this many latents; codes of later steps are not looked at."""
        self.ends[slot] = latents

    def rows(self, slot: int) -> SnacState:
        """The same state, of one slot alone."""
        one = object.__new__(SnacState)
        one.lines = [line[slot : slot + 1] for line in self.lines]
        one.latents = self.latents[slot : slot + 1]
        one.ends, one.seeds = self.ends[slot : slot + 1], self.seeds[slot : slot + 1]
        return one


class StreamingDecoder:
    """Steps of one network; plans of each step size are made once."""

    def __init__(self, snac: Snac, noise: bool = True) -> None:
        self.snac = snac
        self._noise = noise and snac.config.noise
        self._plans: dict[int, Plan] = {}
        self._warm_latents = Layout.of(snac.config, snac.config.frame_latents).warm_latents

    def prepare(self, frames: int) -> Plan:
        """The plan of steps of so many frames; making one waits for the device."""
        if frames not in self._plans:
            layout = Layout.of(self.snac.config, frames * self.snac.config.frame_latents)
            self._plans[frames] = Plan.streamed(layout, self.snac.device)
        return self._plans[frames]

    def inside(self, latents: int, end: int | None) -> bool:
        """Whether no row of a step is outside the utterance, so that it needs no masks.

        latents: taken in before the step; end: None while the utterance goes on.
        """
        return end is None and latents >= self._warm_latents

    @torch.inference_mode()
    def step(
        self, codes: Tensor, state: SnacState, slots: Tensor | None = None, inside: bool = False
    ) -> Tensor:
        """The next frames of some streams, and samples that are `delay_samples` older.

        codes: [B, frames, frame_codes], in the order of the codebooks, int64
        slots: [B], int64, all different, or None for all slots of the state in order
        inside: what the method of that name says of all these streams
        returns [B, frames * frame_samples]; samples outside the utterance mean nothing
        """
        snac, plan = self.snac, self.prepare(codes.shape[1])
        latents, ends, seeds = (
            tensor if slots is None else tensor.index_select(0, slots)
            for tensor in (state.latents, state.ends, state.seeds)
        )
        masks = None if inside else plan.masks(latents, ends, snac.dtype)
        noise = plan.noise(seeds, latents, snac.dtype) if self._noise else None
        each = split_codes(codes, snac.config.codes_per_frame)
        x = latents_of(each, snac.weights, snac.config)
        samples = samples_of(x, snac.weights, _Delayed(state.lines, slots, masks), noise)
        taken = latents + x.shape[1]
        if slots is None:
            state.latents.copy_(taken)
        else:
            state.latents.index_copy_(0, slots, taken)
        return samples


def split_codes(codes: Tensor, codes_per_frame: Sequence[int]) -> list[Tensor]:
    """[B, frames, frame_codes] -> [B, frames * n] of each codebook"""
    return [part.flatten(1) for part in torch.split(codes, list(codes_per_frame), 2)]


class _Delayed:
    """Edges of a stream: every layer's past is in front of its input, and renewed in passing."""

    def __init__(
        self, lines: Sequence[Tensor], slots: Tensor | None, masks: Sequence[Tensor] | None
    ) -> None:
        self._lines, self._slots, self._masks = lines, slots, masks
        self._next = 0

    def around(self, x: Tensor, reach: int) -> Masked:
        return self.pairs(x)

    def pairs(self, x: Tensor) -> Masked:
        line = self._lines[self._next]
        mask = None if self._masks is None else self._masks[self._next]
        self._next += 1
        past = line if self._slots is None else line.index_select(0, self._slots)
        joined = torch.cat([past, x], 1)
        newest = joined[:, joined.shape[1] - line.shape[1] :]
        if self._slots is None:
            line.copy_(newest)
        else:
            line.index_copy_(0, self._slots, newest)
        return joined, mask

    def upsampled(self, x: Tensor, stride: int) -> Tensor:
        return x
