"""What a client posts to begin a call: an SDP offer, alone or with the session it wants.

Bare as `application/sdp`, or as a form with the fields `sdp` and `session`.
"""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from voiceserver.errors import ClientError
from voiceserver.gateway.realtime.beta import settings_in_ga_names
from voiceserver.gateway.realtime.client_events import invalid, read_object
from voiceserver.gateway.realtime.patches import SessionPatch, Tolerant

MOST_BYTES = 2**18


class _Asked(Tolerant):
    session: SessionPatch


async def read_call(request: Request) -> tuple[str, SessionPatch]:
    """The offer and what the session is to be; raises ClientError."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            message = f"The request may have at most {MOST_BYTES} bytes."
            raise ClientError(message, code="request_too_large")
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    fields = {"sdp": bytes(body)}
    if kind == "multipart/form-data":
        fields = _form(content_type, bytes(body))
    elif kind not in ("", "application/sdp", "text/plain"):
        message = f"The content type is {kind[:100]!r}; send application/sdp or a form."
        raise ClientError(message, code="unsupported_content_type")
    offer = fields.get("sdp", b"").decode("utf-8", "replace")
    if not offer.lstrip().startswith("v="):
        message = "The field 'sdp' must be an SDP offer; it begins with v=0."
        raise ClientError(message, code="invalid_offer", param="sdp")
    return offer, _session(fields.get("session"))


def _session(text: bytes | None) -> SessionPatch:
    if not text:
        return SessionPatch()
    try:
        given: dict[str, Any] = read_object(text)
        return _Asked.model_validate({"session": settings_in_ga_names(given)}).session
    except ValidationError as error:
        raise invalid(error) from None
    except ClientError as error:
        raise ClientError(str(error), code=error.code, param=error.param or "session") from None


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a form, by name."""
    header = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(header + body)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload
    return fields
