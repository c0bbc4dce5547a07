"""A folder of the user's -> the networks of sync_llm, or one line on what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from voiceserver.engine.sync_llm.files import HUBERT, SETTINGS, TOKENIZER, VOCODER
from voiceserver.engine.sync_llm.speech import UnitTokenizer, UnitVocoder
from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.backbone import Backbone
from voiceserver.nn.sync_llm.chunks import CHUNKS_MS
from voiceserver.nn.sync_llm.tokenizer import HubertUnits
from voiceserver.nn.sync_llm.vocabulary import OWN_TAG, UNITS, USER_TAG, Vocabulary
from voiceserver.nn.sync_llm.vocoder import UnitHifiGan
from voiceserver.nn.sync_llm.weights import read_folder, read_json


@dataclass(frozen=True)
class Settings:
    """What the weights were trained for, from sync_llm.json; chunk_ms must be there."""

    chunk_ms: int
    units: int = UNITS
    unit_name: str | None = None  # with {} for the number; else the usual names are tried
    own_tag: str = OWN_TAG
    user_tag: str = USER_TAG
    hubert_layer: int = 11
    hubert_normalise: bool = False
    speaker: int = 0  # of the vocoder's
    style: int = 0
    temperature: float = 1.0  # the paper names none
    positions: int = 8192  # the paper's context

    @classmethod
    def read(cls, path: Path) -> Settings:
        """From a file whose fields must all be known."""
        fields = read_json(path)
        if unknown := sorted(fields.keys() - cls.__dataclass_fields__.keys()):
            raise AssetError(f"{path}: nothing is known of {', '.join(unknown)}")
        if fields.get("chunk_ms") not in CHUNKS_MS:
            raise AssetError(f"{path}: chunk_ms must be {', '.join(map(str, CHUNKS_MS))}")
        settings = cls(**fields)
        for name, kind in (("units", int), ("hubert_layer", int), ("positions", int)):
            if not isinstance(getattr(settings, name), kind) or getattr(settings, name) < 1:
                raise AssetError(f"{path}: {name} is {getattr(settings, name)!r}")
        return settings


@dataclass(frozen=True)
class Checkpoint:
    """The networks, loaded and of sizes that fit each other."""

    settings: Settings
    backbone: Backbone
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    units: UnitTokenizer
    vocoder: UnitVocoder


def load(folder: Path, device: torch.device, dtype: torch.dtype, *, int8: bool) -> Checkpoint:
    """Everything in a folder."""
    settings = Settings.read(folder / SETTINGS)
    tokenizer = _read_tokenizer(folder / TOKENIZER)
    vocabulary = Vocabulary.of_tokenizer(
        tokenizer,
        units=settings.units,
        unit_name=settings.unit_name,
        own_tag=settings.own_tag,
        user_tag=settings.user_tag,
    )
    units = HubertUnits.load(
        folder / HUBERT, settings.hubert_layer, settings.hubert_normalise, device
    )
    vocoder = UnitHifiGan.load(folder / VOCODER, device, settings.speaker, settings.style)
    for name, known in (("hubert", units.units), ("vocoder", vocoder.shape.units)):
        if known > settings.units if name == "hubert" else known < settings.units:
            raise AssetError(f"{folder}: {name} has {known} units, the model {settings.units}")
    shape, state = read_folder(folder)
    backbone = Backbone(shape, state, vocabulary.tokens, device, dtype, int8)
    return Checkpoint(settings, backbone, tokenizer, vocabulary, units, vocoder)


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise AssetError(f"{path} is not a tokenizer: {error}") from error
