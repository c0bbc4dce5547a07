"""What the whole gateway shares: its settings, its services, who is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voiceserver.config import ServerConfig

if TYPE_CHECKING:
    from voiceserver.gateway.realtime.connection import Connection, Services


@dataclass
class GatewayState:
    """Lives as `app.state.gateway`."""

    config: ServerConfig
    services: Services
    connections: set[Connection] = field(default_factory=set)
    draining: bool = False
