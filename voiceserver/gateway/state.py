"""What the whole gateway shares: its settings, its services, who is connected."""

from __future__ import annotations

from dataclasses import dataclass, field

from voiceserver.config import ServerConfig
from voiceserver.gateway.ephemeral import ClientSecrets
from voiceserver.gateway.line import Line
from voiceserver.gateway.services import Services


@dataclass
class GatewayState:
    """Lives as `app.state.gateway`."""

    config: ServerConfig
    services: Services
    secrets: ClientSecrets
    connections: set[Line] = field(default_factory=set)
    draining: bool = False
