"""Every error this project raises on purpose, and how the ones a client may see read on the wire.

VoiceserverError
├── AssetError            weights missing, damaged or of the wrong shape
├── EngineUnavailable     the engine process is down or restarting
└── ClientError           the client asked for something impossible; carries the wire fields
"""

from __future__ import annotations


class VoiceserverError(Exception):
    """Base of all errors raised on purpose; its text is one clear line."""


class AssetError(VoiceserverError):
    """A weight file is missing, damaged, or has names or shapes that do not fit."""


class EngineUnavailable(VoiceserverError):
    """The engine process is not there right now."""


class ClientError(VoiceserverError):
    """A request that cannot be honoured, in the shape of the Realtime protocol's `error` event."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.kind = kind
