from __future__ import annotations

import pytest
import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.mini_omni import weights
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task

from ...parity import drawn

CPU = torch.device("cpu")
HEAD = "lm_head.weight"


def build(state: dict[str, Tensor], int8: bool = False) -> MiniOmni:
    return MiniOmni(drawn.config(), state, CPU, torch.float32, int8)


def changed(**tensors: Tensor | None) -> dict[str, Tensor]:
    """The small checkpoint with keys (dots written as __) replaced, added or, by None, left out."""
    state: dict[str, Tensor | None] = dict(drawn.small_state())
    state.update({name.replace("__", "."): tensor for name, tensor in tensors.items()})
    return {key: tensor for key, tensor in state.items() if tensor is not None}


def text(model: MiniOmni) -> list[list[int]]:
    return generate(model, Task.T1T2, text=[1, 2], max_returned_tokens=10)


def test_every_fault_is_named_at_once() -> None:
    state = changed(
        transformer__ln_f__weight=None,
        transformer__h__1__attn__attn__bias=torch.zeros(3),
        transformer__h__2__norm_1__weight=torch.zeros(32),
    )
    with pytest.raises(AssetError) as caught:
        build(state)
    message = str(caught.value)
    assert "missing: transformer.ln_f.weight" in message
    assert "transformer.h.1.attn.attn.bias is (3,), not (64,)" in message
    assert "not known: transformer.h.2.norm_1.weight" in message


def test_an_empty_checkpoint_names_a_few_keys_and_counts_the_rest() -> None:
    with pytest.raises(AssetError, match=r"and \d+ more"):
        build({})


def test_a_tts_adapter_is_refused_by_name() -> None:
    with pytest.raises(AssetError, match="post_adapter"):
        build(changed(transformer__post_adapter_audio_ln__weight=torch.ones(32)))


def test_a_vision_adapter_is_let_be_and_a_tied_head_may_be_absent() -> None:
    model = build(changed(vision_adapter__fc_1__weight=torch.ones(48, 9), lm_head__weight=None))
    assert text(model) == text(drawn.small_model())


def test_a_head_of_its_own_is_used() -> None:
    table = drawn.small_state()[HEAD]
    head = table.clone()
    head[[7, 9]] = head[[9, 7]]
    same = build(changed(lm_head__weight=table.clone()))
    assert text(same) == text(drawn.small_model())
    swapped = build(changed(lm_head__weight=head))
    hidden = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    ours, theirs = swapped.text_logits(hidden)[0], same.text_logits(hidden)[0]
    torch.testing.assert_close(ours[[7, 9]], theirs[[9, 7]])
    torch.testing.assert_close(ours[10:], theirs[10:])


def test_half_precision_weights_load() -> None:
    halved = {key: tensor.half() for key, tensor in drawn.small_state().items()}
    rounded = {key: tensor.float() for key, tensor in halved.items()}
    assert text(build(halved)) == text(build(rounded))


def test_the_shape_is_read_from_the_weights() -> None:
    found = MiniOmniConfig.from_state_dict(drawn.small_state())
    assert found == drawn.config(positions=2048)
    with pytest.raises(AssetError, match="5 key heads"):
        MiniOmniConfig.from_state_dict(drawn.small_state(), kv_heads=5)
    with pytest.raises(AssetError, match="not the weights"):
        MiniOmniConfig.from_state_dict({})


YAML = {
    "n_layer": 2,
    "n_embd": 32,
    "n_head": 4,
    "n_query_groups": 2,
    "head_size": 8,
    "intermediate_size": 48,
    "whisper_adapter_dim": 20,
    "block_size": 96,
    "rope_base": 1_000_000,
    "norm_eps": 1e-6,
    "padded_vocab_size": 181_120,
    "post_adapter": False,
    "name": "Qwen2-0.5B",
}


def test_the_shape_is_read_from_the_yaml() -> None:
    assert MiniOmniConfig.from_yaml(YAML) == drawn.config()


@pytest.mark.parametrize(
    ("field", "value"), [("asr_adapter", "mlp"), ("padded_vocab_size", 50_304), ("n_embd", "wide")]
)
def test_a_yaml_of_another_network_is_refused(field: str, value: object) -> None:
    with pytest.raises(AssetError, match=r"model_config\.yaml"):
        MiniOmniConfig.from_yaml(YAML | {field: value})
    with pytest.raises(AssetError, match="n_layer is missing"):
        MiniOmniConfig.from_yaml({key: v for key, v in YAML.items() if key != "n_layer"})


def test_int8_is_for_the_cpu_in_float32() -> None:
    with pytest.raises(AssetError, match="int8"):
        MiniOmni(drawn.config(), drawn.small_state(), CPU, torch.bfloat16, int8=True)
    assert weights.shapes(drawn.config()).keys() == drawn.small_state().keys()
