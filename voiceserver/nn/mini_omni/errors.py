"""What the language model refuses, told apart from damaged weights (`AssetError`)."""

from __future__ import annotations

from voiceserver.errors import VoiceserverError


class PromptError(VoiceserverError):
    """Columns the model cannot read: ids out of range, features that do not fit."""


class CacheFull(VoiceserverError):
    """A row has no positions left for what it was to read."""
