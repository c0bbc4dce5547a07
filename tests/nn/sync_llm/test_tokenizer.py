from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES
from voiceserver.nn.sync_llm.tokenizer import Centroids, HubertUnits, LinearQuantiser

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def hubert(folder: Path) -> HubertUnits:
    return HubertUnits.load(folder / "hubert", 1, False, CPU)


def noise(units: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(1, units * UNIT_SAMPLES, generator=generator)


def test_a_unit_every_640_samples(hubert: HubertUnits) -> None:
    units = hubert(noise(12))
    assert units.shape == (1, 12)
    assert 0 <= int(units.min()) <= int(units.max()) < hubert.units == 501


def test_the_grid_is_the_whole_recordings(folder: Path, hubert: HubertUnits) -> None:
    """All but the last unit, which needs 80 samples more, are transformers' own."""
    from transformers import HubertModel

    sound = noise(12)
    model = HubertModel.from_pretrained(folder / "hubert").eval()
    padded = torch.nn.functional.pad(sound, (0, 80))  # kernels reach 80 samples past the stride
    with torch.inference_mode():
        features = model(padded, output_hidden_states=True).hidden_states[1]
    centres = torch.from_numpy(np.load(folder / "hubert" / "centroids.npy"))
    nearest = torch.cdist(features[0], centres).argmin(-1)
    assert hubert(sound)[0].tolist() == nearest.tolist()


def test_windows_do_not_depend_on_each_other(hubert: HubertUnits) -> None:
    one, other = noise(8, 1), noise(8, 2)
    together = hubert(torch.cat([one, other]))
    assert together[0].tolist() == hubert(one)[0].tolist()
    assert together[1].tolist() == hubert(other)[0].tolist()


def test_layers_and_strides_are_checked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="2 layers, not 3"):
        HubertUnits.load(folder / "hubert", 3, False, CPU)
    spoilt = shutil.copytree(folder / "hubert", tmp_path / "hubert")
    (spoilt / "centroids.npy").unlink()
    with pytest.raises(AssetError, match=r"lacks centroids\.npy or quantizer\.pt"):
        HubertUnits.load(spoilt, 1, False, CPU)
    np.save(spoilt / "centroids.npy", np.zeros((501, 7), np.float32))
    with pytest.raises(AssetError, match="not \\(units, 32\\)"):
        HubertUnits.load(spoilt, 1, False, CPU)
    config = json.loads((spoilt / "config.json").read_text())
    (spoilt / "config.json").write_text(json.dumps(config | {"model_type": "wav2vec2"}))
    with pytest.raises(AssetError, match="not of a HuBERT"):
        HubertUnits.load(spoilt, 1, False, CPU)


def test_the_nearest_centre() -> None:
    found = Centroids(torch.tensor([[0.0, 0.0], [1.0, 1.0], [5.0, 0.0]]))
    features = torch.tensor([[[0.9, 0.7], [4.0, 0.1], [-1.0, 0.2]]])
    assert found(features).tolist() == [[1, 2, 0]]


def test_blanks_repeat_the_unit_before_them() -> None:
    """The layers pass four numbers on: two units, of which the third is the blank."""
    eye = torch.eye(3)
    state = {f"{place}.weight": eye for place in (0, 2, 4)}
    state |= {f"{place}.bias": torch.zeros(3) for place in (0, 2, 4)}
    found = LinearQuantiser(state)
    assert found.units == 2
    blank, zero, one = [0.0, 0.0, 9.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]
    features = torch.tensor([[blank, one, blank, blank, zero, blank], [blank] * 6])
    assert found(features).tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]


def test_spirit_lms_quantiser_is_read(folder: Path, tmp_path: Path) -> None:
    spoilt = shutil.copytree(folder / "hubert", tmp_path / "hubert")
    (spoilt / "centroids.npy").unlink()
    sizes = [(20, 32), (10, 20), (502, 10)]
    weights = {
        f"encoder.{2 * i}.{kind}": torch.randn(size if kind == "weight" else size[:1])
        for i, size in enumerate(sizes)
        for kind in ("weight", "bias")
    }
    torch.save({"model_cfg": {"vocab_size": 501}, "model_weight": weights}, spoilt / "quantizer.pt")
    assert HubertUnits.load(spoilt, 1, False, CPU).units == 501
    del weights["encoder.4.bias"]
    torch.save({"model_weight": weights}, spoilt / "quantizer.pt")
    with pytest.raises(AssetError, match="three layers"):
        HubertUnits.load(spoilt, 1, False, CPU)


def test_chunk_by_chunk_against_the_whole(hubert: HubertUnits) -> None:
    """Random weights, so only the way is tested: what is before the context has no say; with all of
    the past and of the future there it is the whole; without the future most units still agree."""
    sound = noise(40, 5)
    whole = hubert(sound)[0]
    context, count = 20, 4

    def live(sound: Tensor, end: int, after: int = 0) -> Tensor:
        """Units [end - count, end), told from `context` units before and `after` after them."""
        begin = max(0, end - count - context)
        window = sound[:, begin * UNIT_SAMPLES : (end + after) * UNIT_SAMPLES]
        place = end - count - begin
        return hubert(window)[0, place : place + count]

    assert live(sound, 24, after=16).tolist() == whole[20:24].tolist()  # all of it is in the window
    changed = sound.clone()
    changed[:, : 4 * UNIT_SAMPLES] = 0.3
    assert live(changed, 28).tolist() == live(sound, 28).tolist()
    pieces = torch.cat([live(sound, end) for end in range(count, 41, count)])
    assert len(pieces) == len(whole)
    agreement = (pieces == whole).float().mean().item()
    assert 0.2 < agreement < 1.0, agreement  # by chance it would be a five-hundredth
