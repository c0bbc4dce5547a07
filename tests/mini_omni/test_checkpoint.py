"""A checkpoint folder is loaded whole; whatever is wrong with one is told with the file's name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tokenizers import Tokenizer

from voiceserver.engine.mini_omni.checkpoint import CheckpointFiles, language, load
from voiceserver.engine.mini_omni.device import device_of
from voiceserver.errors import AssetError, VoiceserverError

from .random_checkpoint import Sizes, whisper_checkpoint, write_checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def folder(random_mini_omni: Path, tmp_path: Path) -> Path:
    """A copy to spoil; the large file is shared until it is replaced."""
    copy = tmp_path / "checkpoint"
    shutil.copytree(random_mini_omni, copy, copy_function=_link_large)
    return copy


def _link_large(source: str, target: str) -> None:
    if Path(source).stat().st_size > 2**20:
        os.link(source, target)
    else:
        shutil.copy(source, target)


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace a file of weights, a YAML or a JSON by a changed one."""
    torch_file = path.suffix in {".pth", ".pt", ".bin"}
    if torch_file:
        content = torch.load(path, weights_only=True)
    else:
        content = yaml.safe_load(path.read_text())
    changed = change(content)
    path.unlink()  # it may be a link
    if torch_file:
        torch.save(changed, path)
    else:
        path.write_text(json.dumps(changed))  # JSON is YAML, too


def _set(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: content | fields


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: {key: value for key, value in content.items() if key != name}


def _shortened(path: Path, part: float) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: int(part * len(content))])


def test_a_folder_is_loaded(random_mini_omni: Path) -> None:
    checkpoint = load(CheckpointFiles.in_folder(random_mini_omni), CPU)
    config = checkpoint.network.config
    assert (config.layers, config.model_dim, config.heads, config.kv_heads) == (2, 32, 4, 2)
    assert checkpoint.whisper.config.dim == config.whisper_dim == 32
    assert checkpoint.snac.config.frame_samples == 2048
    text = "What is the capital of France?"
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer.encode(text).ids) == text
    config_alone, state = language(random_mini_omni)
    assert config_alone == config
    assert state["transformer.wte.weight"].shape == (181_120, 32)


def test_the_vision_adapter_of_mini_omni_2_is_left_aside(tmp_path: Path) -> None:
    sizes = Sizes(layers=1, dim=16, heads=2, groups=1, vision_dim=12)
    folder = write_checkpoint(tmp_path, sizes)
    assert any(key.startswith("vision_adapter") for key in language(folder)[1])
    assert load(CheckpointFiles.in_folder(folder), CPU).network.config.layers == 1


def test_everything_that_is_missing_is_named_at_once(folder: Path) -> None:
    (folder / "small.pt").unlink()
    (folder / "snac" / "config.json").unlink()
    with pytest.raises(AssetError, match=r"checkpoint lacks small\.pt, snac/config\.json$"):
        CheckpointFiles.in_folder(folder)
    with pytest.raises(AssetError, match="there is no folder"):
        CheckpointFiles.in_folder(folder / "elsewhere")


LANGUAGE, CONFIG, SNAC = "lit_model.pth", "model_config.yaml", "snac/config.json"
QKV = "transformer.h.1.attn.attn.weight"

FAULTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "weights cut short": (LANGUAGE, lambda p: _shortened(p, 0.6), "damaged or not complete"),
    "weights empty": (LANGUAGE, lambda p: _shortened(p, 0), "damaged or not complete"),
    "weights are a page": (
        LANGUAGE,
        lambda p: (p.unlink(), p.write_text("<html>Sign in</html>"))[0],
        "not a file of torch weights",
    ),
    "a layer is missing": (
        LANGUAGE,
        lambda p: _rewrite(p, _without(QKV)),
        rf"missing: {QKV}",
    ),
    "a key too many": (
        LANGUAGE,
        lambda p: _rewrite(p, _set(extra=torch.zeros(1))),
        "not known: extra",
    ),
    "a wrong shape": (
        LANGUAGE,
        lambda p: _rewrite(p, _set(**{QKV: torch.zeros(63, 32)})),
        rf"{QKV} is \(63, 32\), not \(64, 32\)",
    ),
    "wrapped once more": (
        LANGUAGE,
        lambda p: _rewrite(p, lambda state: {"model": state}),
        "holds no state dict",
    ),
    "another adapter": (
        LANGUAGE,
        lambda p: _rewrite(p, _set(**{"transformer.post_adapter.0.x": torch.zeros(1)})),
        "post_adapter",
    ),
    "config of more layers": (CONFIG, lambda p: _rewrite(p, _set(n_layer=3)), "h.2"),
    "config of other heads": (CONFIG, lambda p: _rewrite(p, _set(n_head=8)), "attn"),
    "config without layers": (CONFIG, lambda p: _rewrite(p, _without("n_layer")), "n_layer"),
    "config with another adapter": (
        CONFIG,
        lambda p: _rewrite(p, _set(asr_adapter="mlp")),
        "asr_adapter",
    ),
    "config with a word for a number": (
        CONFIG,
        lambda p: _rewrite(p, _set(n_embd="wide")),
        "wide",
    ),
    "config is no yaml": (CONFIG, lambda p: p.write_text("a: [1"), "is not YAML"),
    "config is empty": (CONFIG, lambda p: p.write_text(""), "holds no fields"),
    "tokenizer is no tokenizer": (
        "tokenizer.json",
        lambda p: p.write_text("{}"),
        "is not a tokenizer",
    ),
    "tokenizer has too many ids": ("tokenizer.json", lambda p: _add_ids(p), "ids up to 151936"),
    "whisper cut short": ("small.pt", lambda p: _shortened(p, 0.9), "damaged"),
    "whisper of another width": (
        "small.pt",
        lambda p: write_whisper(p, Sizes(whisper_dim=48, whisper_heads=3)),
        "features of 48 numbers, .* wants 32",
    ),
    "whisper without its encoder": (
        "small.pt",
        lambda p: _rewrite(p, _set(model_state_dict={"decoder.ln.weight": torch.zeros(32)})),
        "missing: encoder",
    ),
    "snac of 44 kHz": (SNAC, lambda p: _rewrite(p, _set(sampling_rate=44_100)), "44100, not 24000"),
    "snac with attention": (SNAC, lambda p: _rewrite(p, _set(attn_window_size=32)), "attention"),
    "snac is no json": (SNAC, lambda p: p.write_text("{"), "is not JSON"),
    "snac weights of another size": (
        "snac/pytorch_model.bin",
        lambda p: _rewrite(p, _set(**{"decoder.model.1.bias": torch.zeros(65)})),
        r"decoder\.model\.1\.bias",
    ),
}


def _add_ids(path: Path) -> None:
    content = json.loads(path.read_text())
    content["model"]["vocab"]["<eot>"] = 151_936
    path.write_text(json.dumps(content))
    assert Tokenizer.from_file(str(path)).token_to_id("<eot>") == 151_936


def write_whisper(path: Path, sizes: Sizes) -> None:
    torch.save(whisper_checkpoint(sizes), path)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_with_the_files_name(folder: Path, fault: str) -> None:
    name, spoil, complaint = FAULTS[fault]
    spoil(folder / name)
    with pytest.raises(AssetError, match=f"(?s){complaint}") as error:
        load(CheckpointFiles.in_folder(folder), CPU)
    assert Path(name).name in str(error.value)
    assert "\n" not in str(error.value)


class Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", [LANGUAGE, "small.pt", "snac/pytorch_model.bin"])
def test_code_in_a_file_is_refused_and_not_run(folder: Path, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "it-ran"
    (folder / name).unlink()
    torch.save({"dims": Harmful(mark)}, folder / name)
    with pytest.raises(AssetError, match=rf"{Path(name).name} holds .* would run code"):
        load(CheckpointFiles.in_folder(folder), CPU)
    assert not mark.exists()


def test_fields_nobody_reads_may_be_any(folder: Path) -> None:
    _rewrite(folder / CONFIG, _set(something_new={"x": 1}, vocab_size=7, lm_head_dropout=0.1))
    assert language(folder)[0].layers == 2


def test_devices() -> None:
    assert device_of("cpu") == CPU
    if torch.cuda.is_available():
        assert device_of("auto").type == device_of("cuda").type == "cuda"
    else:
        assert device_of("auto") == CPU
        with pytest.raises(VoiceserverError, match="no CUDA device"):
            device_of("cuda")
