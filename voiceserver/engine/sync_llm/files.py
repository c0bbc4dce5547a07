"""What a folder of SyncLLM weights must hold; needs nothing but the file system."""

from __future__ import annotations

from pathlib import Path

from voiceserver.errors import AssetError

SETTINGS, TOKENIZER, HUBERT, VOCODER = "sync_llm.json", "tokenizer.json", "hubert", "vocoder"


def check_folder(folder: Path | None) -> Path:
    """The folder, which must have all parts; there is nothing to fetch instead."""
    if folder is None:
        raise AssetError(
            "no weights of SyncLLM are published: give a folder that has them, --weights FOLDER; "
            "what must be in it is said in models/sync-llm/README.md"
        )
    if not folder.is_dir():
        raise AssetError(f"there is no folder {folder}")
    wanted = [SETTINGS, TOKENIZER, "config.json", f"{HUBERT}/config.json", f"{VOCODER}/config.json"]
    if missing := [name for name in wanted if not (folder / name).is_file()]:
        raise AssetError(f"{folder} lacks {', '.join(missing)}")
    return folder
