"""Where a Mini-Omni checkpoint lies: in the cache, or in a folder of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voiceserver.assets import resolve
from voiceserver.errors import AssetError

CONFIG = "model_config.yaml"
LANGUAGE = "lit_model.pth"
TOKENIZER = "tokenizer.json"
WHISPER = "small.pt"
SNAC = "snac"
SNAC_CONFIG = "config.json"
SNAC_WEIGHTS = "pytorch_model.bin"


@dataclass(frozen=True)
class CheckpointFiles:
    """Where a checkpoint lies."""

    language: Path  # folder of model_config.yaml, lit_model.pth and tokenizer.json
    whisper: Path  # small.pt
    snac: Path  # folder of config.json and pytorch_model.bin

    @classmethod
    def in_folder(cls, folder: Path) -> CheckpointFiles:
        """A folder of the user's: the hub's files, with SNAC's in `snac`. All must be there."""
        if not folder.is_dir():
            raise AssetError(f"there is no folder {folder}")
        files = cls(folder, folder / WHISPER, folder / SNAC)
        wanted = [folder / name for name in (CONFIG, LANGUAGE, TOKENIZER, WHISPER)]
        wanted += [files.snac / SNAC_CONFIG, files.snac / SNAC_WEIGHTS]
        missing = [str(path.relative_to(folder)) for path in wanted if not path.is_file()]
        if missing:
            raise AssetError(f"{folder} lacks {', '.join(missing)}")
        return files

    @classmethod
    def of_model(cls, model: str) -> CheckpointFiles:
        """The cache's files of a model, fetched when they are not there yet."""
        found = resolve(model, quiet=True)
        return cls(found["language"], found["whisper"], found["snac"])
