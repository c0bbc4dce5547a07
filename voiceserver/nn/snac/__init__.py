"""SNAC (github.com/hubertsiuzdak/snac), its decoder: whole, and as an exact stream."""

from voiceserver.nn.snac.config import SNAC_24KHZ, SnacConfig
from voiceserver.nn.snac.network import Snac, load
from voiceserver.nn.snac.streaming import SnacState, StreamingDecoder

__all__ = ["SNAC_24KHZ", "Snac", "SnacConfig", "SnacState", "StreamingDecoder", "load"]
