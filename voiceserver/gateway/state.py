"""What the whole gateway shares: its settings, its services, who is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voiceserver.clock import Clock
from voiceserver.config import Limits, ServerConfig
from voiceserver.gateway.engine_client import EngineClient
from voiceserver.gateway.ephemeral import ClientSecrets
from voiceserver.gateway.realtime.clips import ClipReader
from voiceserver.metrics import Metrics

if TYPE_CHECKING:
    from voiceserver.gateway.line import Line


@dataclass(frozen=True)
class Services:
    """What a connection shares with all others."""

    engine: EngineClient
    clips: ClipReader
    limits: Limits
    metrics: Metrics
    clock: Clock


@dataclass
class GatewayState:
    """Lives as `app.state.gateway`."""

    config: ServerConfig
    services: Services
    secrets: ClientSecrets
    connections: set[Line] = field(default_factory=set)
    draining: bool = False
