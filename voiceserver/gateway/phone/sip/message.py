"""SIP messages (RFC 3261, section 7): a start line, headers, a body.

What cannot be read raises Malformed, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from voiceserver.errors import VoiceserverError

MOST_BYTES = 16 * 2**10  # a datagram may be longer, a sane message is not
_MOST_HEADERS = 100
_MOST_SEQUENCE = 2**31 - 1
REQUIRED = ("via", "from", "to", "call-id", "cseq")

Headers = tuple[tuple[str, str], ...]

_COMPACT = {
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "v": "via",
}
_LISTS = {"via", "contact", "route", "record-route", "require", "supported", "allow"}
_REQUEST = re.compile(r"([A-Z]{1,32}) ([^\s]+) SIP/2\.0", re.ASCII)
_RESPONSE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) ?(.*)", re.ASCII)
_SEQUENCE = re.compile(r"([0-9]{1,10})\s+([A-Z]{1,32})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+", re.ASCII)
_PIECES = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|<[^>]*>?|[^,"<])+')  # between commas
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Malformed(VoiceserverError):
    """A message, or a part of one, that does not follow its grammar."""


@dataclass(frozen=True)
class Message:
    """Headers by their long names in lower case, in their order; lists are one header an entry."""

    headers: Headers
    body: bytes = b""

    def first(self, name: str) -> str | None:
        """The first header of this name."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for key, value in self.headers if key == name]

    def text(self, name: str) -> str:
        """A header that must be there."""
        value = self.first(name)
        if value is None:
            raise Malformed(f"{name} is missing")
        return value

    @property
    def sequence(self) -> tuple[int, str]:
        """CSeq: the number and the method."""
        found = _SEQUENCE.fullmatch(self.text("cseq"))
        if found is None or int(found[1]) > _MOST_SEQUENCE:
            raise Malformed("CSeq is not a number and a method")
        return int(found[1]), found[2]

    @property
    def branch(self) -> str:
        """Of the newest Via: with the method it names the transaction."""
        return parameters(self.text("via")).get("branch", "")

    def _encoded(self, start: str) -> bytes:
        lines = [start]
        lines += [f"{spelt(key)}: {value}" for key, value in self.headers if key != _LENGTH]
        lines.append(f"Content-Length: {len(self.body)}")
        return _to_bytes("\r\n".join(lines) + "\r\n\r\n") + self.body


@dataclass(frozen=True)
class Request(Message):
    method: str = ""
    uri: str = ""

    def encoded(self) -> bytes:
        return self._encoded(f"{self.method} {self.uri} SIP/2.0")


@dataclass(frozen=True)
class Response(Message):
    status: int = 0
    reason: str = ""

    def encoded(self) -> bytes:
        return self._encoded(f"SIP/2.0 {self.status} {self.reason}")


_LENGTH = "content-length"


def spelt(name: str) -> str:
    """A header's name as it is usually written."""
    return {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate"}.get(
        name, name.title()
    )


def parse(data: bytes) -> Request | Response:
    """A datagram's message; raises Malformed."""
    if len(data) > MOST_BYTES:
        raise Malformed(f"{len(data)} bytes are too many")
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        raise Malformed("no empty line ends the headers")
    start, *lines = _to_text(head).split("\r\n")
    headers = tuple(_headers(lines))
    message = _started(start, headers, _cut(headers, body))
    for name in REQUIRED:
        message.text(name)
    if isinstance(message, Request) and message.sequence[1] != message.method:
        raise Malformed("CSeq names another method")
    return message


def _started(start: str, headers: Headers, body: bytes) -> Request | Response:
    if found := _REQUEST.fullmatch(start):
        return Request(headers, body, found[1], found[2])
    if found := _RESPONSE.fullmatch(start):
        return Response(headers, body, int(found[1]), found[2])
    raise Malformed("the first line is neither of a request nor of a response")


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and values; folded lines are joined, lists are taken apart."""
    if len(lines) > _MOST_HEADERS:
        raise Malformed(f"more than {_MOST_HEADERS} headers")
    whole: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and whole:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line)
    for line in whole:
        name, colon, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise Malformed("a line of the headers is none")
        name = _COMPACT.get(name, name)
        for piece in split(value) if name in _LISTS else (value,):
            yield name, piece


def split(value: str) -> list[str]:
    """The entries of a list; commas in quotes or in angle brackets separate nothing."""
    return [piece.strip() for piece in _PIECES.findall(value) if piece.strip()]


def _cut(headers: Headers, body: bytes) -> bytes:
    """As much of the body as Content-Length says."""
    length = next((value for key, value in headers if key == _LENGTH), None)
    if length is None:
        return body
    if not (length.isascii() and length.isdigit() and len(length) < 7 and int(length) <= len(body)):
        raise Malformed("Content-Length does not fit the body")
    return body[: int(length)]


def parameters(value: str) -> dict[str, str]:
    """What follows the semicolons of a Via, or of an address after its angle brackets."""
    after = value.rpartition(">")[2] if "<" in value else value
    found = {}
    for piece in after.split(";")[1:]:
        name, _, text = piece.partition("=")
        found[name.strip().lower()] = text.strip().strip('"')
    return found


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Refer-To."""
    uri = value.partition("<")[2].partition(">")[0] if "<" in value else value.partition(";")[0]
    uri = uri.strip()
    if not uri or any(letter.isspace() for letter in uri):
        raise Malformed("there is no URI")
    return uri


def host_of(uri: str) -> tuple[str, int]:
    """Host and port of a SIP URI, `sip:user@host:port;parameters`."""
    scheme, _, rest = uri.partition(":")
    place = rest.partition("?")[0].partition(";")[0].rpartition("@")[2]
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", place)
    if scheme.lower() != "sip" or found is None or int(found[3] or 0) > 65535:
        raise Malformed("that is not the URI of a SIP host")
    return found[1] or found[2], int(found[3] or 5060)


def only(headers: Headers, names: Iterable[str]) -> Headers:
    """Those headers, in their order."""
    wanted = set(names)
    return tuple((key, value) for key, value in headers if key in wanted)


def _to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")  # what is not UTF-8 is given back as it came


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
