"""What a folder with a language model must hold; needs nothing but the file system."""

from __future__ import annotations

from pathlib import Path

from voiceserver.errors import AssetError


def check_checkpoint(folder: Path) -> Path:
    """The folder, which must be a Hugging Face checkpoint of a language model."""
    if not folder.is_dir():
        raise AssetError(f"there is no folder {folder}")
    wanted = ["config.json", "tokenizer_config.json"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise AssetError(f"{folder} is no checkpoint of a language model: {', '.join(missing)}")
    return folder
