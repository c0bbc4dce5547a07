"""What HTTP says to who is turned away: the `error` body all clients know."""

from __future__ import annotations

from starlette.responses import JSONResponse


def refusal(status: int, code: str, message: str, param: str | None = None) -> JSONResponse:
    """An answer with this status and the protocol's error object."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "code": code, "param": param}
    return JSONResponse({"error": error}, status_code=status)
