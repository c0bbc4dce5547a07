"""Self-hosted, real-time, full-duplex voice assistant server."""

__version__ = "0.1.0"
