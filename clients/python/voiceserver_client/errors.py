"""What can go wrong on a call. The text of each is one line for the user.

RealtimeError
├── CannotConnect     wrong address, nobody listens there, or the server turned us away
├── ServerRefused     the server answered a request with an error event
└── CallEnded         the connection closed while something was still expected
"""

from __future__ import annotations


class RealtimeError(Exception):
    """Base of all errors of this client."""


class CannotConnect(RealtimeError):
    """The call could not be set up."""


class ServerRefused(RealtimeError):
    """The server sent an error event."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class CallEnded(RealtimeError):
    """The server or the network ended the call."""
