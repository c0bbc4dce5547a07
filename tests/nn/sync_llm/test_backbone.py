from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from voiceserver.bench.sync_llm.random_checkpoint import Sizes, llama_config, llama_weights
from voiceserver.errors import AssetError
from voiceserver.nn.mini_omni.errors import CacheFull
from voiceserver.nn.sync_llm.backbone import Backbone, Segment
from voiceserver.nn.sync_llm.config import LlamaShape
from voiceserver.nn.sync_llm.weights import read_folder

CPU = torch.device("cpu")
VOCABULARY = 97
CHOICES = (90, 91, *range(5, 40))
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
PROMPT = [3, 90, 7, 8, 91, 30, 90, 31, 5, 91, 6, 90]


def fields(**changes: Any) -> dict[str, Any]:
    return llama_config(Sizes(positions=256), VOCABULARY) | changes


def write(folder: Path, config: dict[str, Any], tied: bool = False) -> dict[str, Tensor]:
    state = llama_weights(Sizes(), config)
    if tied:
        del state["lm_head.weight"]
    (folder / "config.json").write_text(json.dumps(config))
    save_file(state, folder / "model.safetensors")
    return state


def loaded(folder: Path, **changes: Any) -> Backbone:
    shape, state = read_folder(folder)
    return Backbone(shape, state, CHOICES, CPU, torch.float32, **changes)


def theirs(folder: Path, tokens: list[int]) -> Tensor:
    """Logits of transformers after the last token: [choices]"""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([tokens])).logits
    return logits[0, -1, list(CHOICES)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": True},
        {"head_dim": 8},
        {"num_key_value_heads": 4, "rope_theta": 10_000.0},
        {"rope_scaling": LLAMA3},
    ],
    ids=["plain", "tied", "own head size", "no groups", "llama 3.1"],
)
def test_logits_are_those_of_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, fields(**changes), tied="tie_word_embeddings" in changes)
    network = loaded(tmp_path)
    cache = network.new_cache(1, 256)
    mine = network.read(cache, [Segment(0, PROMPT)])[0]
    torch.testing.assert_close(mine, theirs(tmp_path, PROMPT), atol=1e-4, rtol=1e-4)


def test_rows_do_not_depend_on_each_other_nor_on_how_they_are_cut(tmp_path: Path) -> None:
    write(tmp_path, fields())
    network = loaded(tmp_path)
    cache = network.new_cache(4, 64)
    network.read(cache, [Segment(2, PROMPT[:3]), Segment(0, PROMPT[:7])])
    together = network.read(
        cache, [Segment(0, PROMPT[7:]), Segment(2, PROMPT[3:]), Segment(3, [5])]
    )
    alone = network.read(network.new_cache(1, 64), [Segment(0, PROMPT)])[0]
    torch.testing.assert_close(together[0], alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[1], alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[2], alone)


def test_a_row_rolled_back_has_forgotten(tmp_path: Path) -> None:
    write(tmp_path, fields())
    network = loaded(tmp_path)
    cache = network.new_cache(1, 64)
    network.read(cache, [Segment(0, PROMPT[:8])])
    network.read(cache, [Segment(0, [9, 9, 9])])
    cache.rollback(0, 8)
    again = network.read(cache, [Segment(0, PROMPT[8:])])[0]
    alone = network.read(network.new_cache(1, 64), [Segment(0, PROMPT)])[0]
    torch.testing.assert_close(again, alone, atol=1e-4, rtol=1e-4)


def test_dropping_turns_keys_back_exactly(tmp_path: Path) -> None:
    """With one layer keys and values know only their own token: as if it had never been read."""
    config = fields(num_hidden_layers=1)
    write(tmp_path, config)
    network = loaded(tmp_path)
    cache = network.new_cache(2, 64)
    network.read(cache, [Segment(1, PROMPT[:9])])
    network.drop(cache, 1, 2, 6)
    assert cache.lengths[1] == 5
    mine = network.read(cache, [Segment(1, PROMPT[9:])])[0]
    kept = PROMPT[:2] + PROMPT[6:]
    torch.testing.assert_close(mine, theirs(tmp_path, kept), atol=1e-4, rtol=1e-4)


def test_eight_bits_are_near(tmp_path: Path) -> None:
    write(tmp_path, fields())
    exact, rounded = loaded(tmp_path), loaded(tmp_path, int8=True)
    a, b = (n.read(n.new_cache(1, 64), [Segment(0, PROMPT)])[0] for n in (exact, rounded))
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.99


def test_a_full_row_is_told(tmp_path: Path) -> None:
    write(tmp_path, fields())
    network = loaded(tmp_path)
    with pytest.raises(CacheFull):
        network.read(network.new_cache(1, 8), [Segment(0, PROMPT)])


def test_shards_are_joined(tmp_path: Path) -> None:
    state = write(tmp_path, fields())
    whole = loaded(tmp_path).read(loaded(tmp_path).new_cache(1, 64), [Segment(0, PROMPT)])
    (tmp_path / "model.safetensors").unlink()
    names = sorted(state)
    half = len(names) // 2
    index: dict[str, str] = {}
    for number, part in enumerate((names[:half], names[half:])):
        file = f"model-{number}.safetensors"
        save_file({name: state[name] for name in part}, tmp_path / file)
        index |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    network = loaded(tmp_path)
    torch.testing.assert_close(network.read(network.new_cache(1, 64), [Segment(0, PROMPT)]), whole)
    evil = {"weight_map": {"a": "../x.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(evil))
    with pytest.raises(AssetError, match="outside"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "qwen2"}, "model_type is 'qwen2'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope of type 'yarn'"),
        ({"hidden_size": "wide"}, "invalid literal"),
    ],
)
def test_another_network_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        LlamaShape.from_json(fields(**changes))


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"config\.json is missing"):
        read_folder(tmp_path)
    state = write(tmp_path, fields())
    del state["model.norm.weight"]
    state["model.embed_tokens.weight"] = state["model.embed_tokens.weight"][:5].clone()
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(
        AssetError, match=r"missing: model\.norm\.weight; of the wrong shape: model"
    ):
        read_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not this")
    with pytest.raises(AssetError, match="damaged"):
        read_folder(tmp_path)


def test_ids_past_the_weights_are_refused(tmp_path: Path) -> None:
    write(tmp_path, fields())
    shape, state = read_folder(tmp_path)
    with pytest.raises(AssetError, match="ids up to 97"):
        Backbone(shape, state, [97], CPU, torch.float32)
