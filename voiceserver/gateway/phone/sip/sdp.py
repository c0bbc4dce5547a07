"""Session descriptions (RFC 8866) as offers and answers (RFC 3264): one stream of G.711."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from voiceserver.gateway.phone.sip.message import Malformed
from voiceserver.gateway.wire_audio import AudioFormat

CODINGS = {"PCMU": AudioFormat.ULAW, "PCMA": AudioFormat.ALAW}
STATIC = {0: "PCMU", 8: "PCMA"}  # payload types that need no rtpmap
EVENTS = "TELEPHONE-EVENT"
OUR_EVENTS_TYPE = 101
_DIRECTIONS = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9-]+)/8000(?:/1)?", re.ASCII)
_MEDIA = re.compile(r"(\S+) ([0-9]{1,5})(?:/[0-9]+)? (\S+)((?: \S+)*)", re.ASCII)


class NotAcceptable(Exception):
    """A description of which we can take nothing."""


@dataclass
class _Media:
    """An `m=` line with what belongs to it."""

    kind: str
    port: int
    protocol: str
    types: list[str]
    host: str
    attributes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Description:
    """What the other side wants to send and get."""

    host: str
    port: int
    coding: AudioFormat
    payload_type: int
    events_type: int | None  # of keys; None: it sends none
    direction: str
    media: tuple[tuple[str, str, str], ...]  # kind, protocol, first type of every m= line
    chosen: int  # which of them is the one

    @property
    def held(self) -> bool:
        """Whether it does not want to hear us."""
        return self.direction in {"sendonly", "inactive"} or self.host in {"0.0.0.0", "::"}


def read(body: bytes) -> Description:
    """An offer or an answer; raises Malformed or NotAcceptable."""
    media, direction = _sections(body.decode("utf-8", "replace"))
    for index, one in enumerate(media):
        if one.kind != "audio" or not one.port or one.protocol not in {"RTP/AVP", "RTP/AVPF"}:
            continue
        names = _names(one)
        known = [number for number in names if names[number] in CODINGS]
        if not known:
            continue
        events = [number for number in names if names[number] == EVENTS]
        own = [a for a in one.attributes if a in _DIRECTIONS]
        return Description(
            host=_address(one.host),
            port=one.port,
            coding=CODINGS[names[known[0]]],
            payload_type=known[0],
            events_type=events[0] if events else None,
            direction=own[-1] if own else direction,
            media=tuple((m.kind, m.protocol, m.types[0]) for m in media),
            chosen=index,
        )
    raise NotAcceptable("no audio stream in PCMU or PCMA over plain RTP is offered")


def _sections(text: str) -> tuple[list[_Media], str]:
    """The m= sections, and the direction that holds for those which name none."""
    media: list[_Media] = []
    host, direction = "", "sendrecv"
    for line in text.replace("\r\n", "\n").split("\n"):
        kind, equals, value = line.strip().partition("=")
        if not equals:
            continue
        if kind == "m":
            media.append(_media(value, host))
        elif kind == "c":
            if media:
                media[-1].host = value.rpartition(" ")[2]
            else:
                host = value.rpartition(" ")[2]
        elif kind == "a" and media:
            media[-1].attributes.append(value)
        elif kind == "a" and value in _DIRECTIONS:
            direction = value
    if not media:
        raise Malformed("a session description without media")
    return media, direction


def _media(value: str, host: str) -> _Media:
    found = _MEDIA.fullmatch(value)
    if found is None or int(found[2]) > 65535 or not found[4]:
        raise Malformed("an m= line is none")
    return _Media(found[1], int(found[2]), found[3], found[4].split(), host)


def _names(media: _Media) -> dict[int, str]:
    """Payload types, in the order they are wanted, and what each is."""
    mapped = dict(STATIC)
    for attribute in media.attributes:
        key, _, value = attribute.partition(":")
        if key == "rtpmap" and (found := _RTPMAP.fullmatch(value.strip())):
            mapped[int(found[1])] = found[2].upper()
    offered = [int(one) for one in media.types if one.isascii() and one.isdigit() and len(one) < 4]
    return {number: mapped[number] for number in offered if number in mapped and number < 128}


def _address(host: str) -> str:
    """An IP address; names are not looked up for whoever sends us a message."""
    try:
        return str(ipaddress.ip_address(host.partition("/")[0]))
    except ValueError:
        raise Malformed("c= does not hold an IP address") from None


def answer(offer: Description, host: str, port: int, session: int, version: int) -> bytes:
    """Our answer: the one stream, everything else refused."""
    lines = _head(host, session, version)
    for index, (kind, protocol, first) in enumerate(offer.media):
        if index != offer.chosen:
            lines.append(f"m={kind} 0 {protocol} {first}")
            continue
        types = {offer.payload_type: _name(offer.coding)}
        direction = _DIRECTIONS[offer.direction]
        lines += _stream(port, protocol, types, offer.events_type, direction)
    return _written(lines)


def offer(host: str, port: int, session: int, version: int) -> bytes:
    """Our offer, to a caller who sent none."""
    lines = _head(host, session, version)
    lines += _stream(port, "RTP/AVP", STATIC, OUR_EVENTS_TYPE, "sendrecv")
    return _written(lines)


def _name(coding: AudioFormat) -> str:
    return next(name for name, known in CODINGS.items() if known is coding)


def _head(host: str, session: int, version: int) -> list[str]:
    kind = "IP6" if ":" in host else "IP4"
    origin = f"o=voiceserver {session} {version} IN {kind} {host}"
    return ["v=0", origin, "s=voiceserver", f"c=IN {kind} {host}", "t=0 0"]


def _stream(
    port: int, protocol: str, types: dict[int, str], events: int | None, direction: str
) -> list[str]:
    numbers = [*types, *([] if events is None else [events])]
    lines = [f"m=audio {port} {protocol} {' '.join(map(str, numbers))}"]
    lines += [f"a=rtpmap:{number} {name}/8000" for number, name in types.items()]
    if events is not None:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]
    return [*lines, "a=ptime:20", f"a={direction}"]


def _written(lines: list[str]) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode()
