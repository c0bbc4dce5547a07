"""What is accepted as weights of SNAC, and what is said of the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from voiceserver.errors import AssetError
from voiceserver.nn.snac import SNAC_24KHZ, Snac, load
from voiceserver.nn.snac.config import config_from, read_config
from voiceserver.nn.snac.network import random_state
from voiceserver.nn.snac.streaming import split_codes

from .oracle import FULL, REDUCED, package, random_codes

CONFIG = config_from(REDUCED)
CODES = split_codes(random_codes(CONFIG, 1, 1), CONFIG.codes_per_frame)


def write(folder: Path, state: dict[str, torch.Tensor], content: dict[str, Any] = REDUCED) -> Path:
    (folder / "config.json").write_text(json.dumps(content))
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def test_a_folder_of_the_hub_is_read(tmp_path: Path) -> None:
    reference, state = package(REDUCED)
    made = load(write(tmp_path, state)).decode(CODES)
    with torch.inference_mode():
        expected = reference.decode(CODES)[:, 0].float()
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_names_of_older_torch_are_read() -> None:
    state = random_state(CONFIG)
    old = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for key, tensor in state.items()
    }
    assert "decoder.model.0.weight_g" in old
    assert torch.equal(Snac(CONFIG, old).decode(CODES), Snac(CONFIG, state).decode(CODES))


def test_the_encoder_is_not_needed() -> None:
    _, state = package(REDUCED)
    decoder = {k: v for k, v in state.items() if not k.startswith("encoder") and "in_proj" not in k}
    assert len(decoder) < len(state)
    assert torch.equal(Snac(CONFIG, decoder).decode(CODES), Snac(CONFIG, state).decode(CODES))


def test_all_that_is_wrong_is_named_at_once() -> None:
    state = random_state(CONFIG)
    del state["decoder.model.6.alpha"]
    state["decoder.model.9.bias"] = torch.zeros(1)
    state["decoder.model.1.bias"] = torch.zeros(3)
    with pytest.raises(AssetError) as error:
        Snac(CONFIG, state, source="some.bin")
    for part in ("some.bin", "decoder.model.6.alpha", "decoder.model.9.bias"):
        assert part in str(error.value)
    assert "decoder.model.1.bias is [3], not [32]" in str(error.value)


def test_the_weights_of_another_size_do_not_fit() -> None:
    with pytest.raises(AssetError, match="of the wrong shape"):
        Snac(SNAC_24KHZ, random_state(CONFIG))


def test_a_truncated_file_is_an_asset_error(tmp_path: Path) -> None:
    path = write(tmp_path, random_state(CONFIG)) / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AssetError, match=r"pytorch_model\.bin"):
        load(tmp_path)


def test_the_published_config_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(FULL))
    config = read_config(path)
    assert config == SNAC_24KHZ
    assert (config.frame_samples, config.delay_samples, config.frame_codes) == (2048, 4757, 7)
    assert config.hop_samples == 512
    assert config.flush_frames == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attn_window_size": 32}, "attn_window_size is 32"),
        ({"decoder_dim": 30}, "cannot be halved"),
        ({"decoder_dim": "wide"}, "positive whole numbers"),
        ({"decoder_rates": 8}, "config"),
        ({"decoder_rates": [8, 0]}, "positive whole numbers"),
        ({"vq_strides": [3, 2]}, "multiple"),
        ({"vq_strides": []}, "vq_strides"),
        ({"sampling_rate": None}, "sampling_rate"),
    ],
)
def test_configs_that_cannot_be_served(change: dict[str, Any], said: str) -> None:
    with pytest.raises(AssetError, match=said):
        config_from(FULL | change)


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_config_files_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssetError, match=r"config\.json"):
        read_config(path)
