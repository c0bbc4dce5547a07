"""What every connection shares with all others."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.clock import Clock
from voiceserver.config import Limits, McpConfig
from voiceserver.gateway.engine_client import EngineClient
from voiceserver.gateway.mcp.access import Access
from voiceserver.gateway.phone.handovers import Handovers
from voiceserver.gateway.realtime.clips import ClipReader
from voiceserver.metrics import Metrics
from voiceserver.session.call_tools import CallTools


@dataclass(frozen=True)
class Services:
    """The engine, and the limits, counters and clock of the server."""

    engine: EngineClient
    clips: ClipReader
    limits: Limits
    metrics: Metrics
    clock: Clock
    mcp_access: Access
    call_tools: CallTools  # on telephones, as are these:
    mcp_servers: tuple[McpConfig, ...]
    handovers: Handovers
