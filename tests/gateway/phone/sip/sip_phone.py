"""A telephone that speaks SIP and RTP over UDP, written from the RFCs. It can also misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from voiceserver.audio import g711

HERE = "127.0.0.1"
PATIENCE_S = 60.0
ULAW, ALAW, EVENTS = 0, 8, 101
QUIET = {ULAW: 0xFF, ALAW: 0xD5}


def tone(seconds: float, payload_type: int = ULAW) -> bytes:
    """What the scripted engine takes for speech."""
    t = np.arange(int(seconds * 8000)) / 8000
    samples = (12000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)
    encode = g711.pcm16_to_ulaw if payload_type == ULAW else g711.pcm16_to_alaw
    return encode(samples)


@dataclass
class Answer:
    """A message from the server."""

    start: str
    headers: dict[str, str]
    body: str

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        return self.start.split()[0]


def read(data: bytes) -> Answer:
    head, _, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers = {}
    for line in lines:
        name, value = line.split(": ", 1)
        assert "\n" not in value, "a header holds a line's end"
        headers.setdefault(name.lower(), value)
    assert int(headers["content-length"]) == len(body)  # ours are ASCII
    return Answer(start, headers, body)


class Wire(asyncio.DatagramProtocol):
    """A UDP socket that hands on what comes."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.take(data)


async def socket_for(take: Callable[[bytes], None]) -> tuple[asyncio.DatagramTransport, int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Wire(take), local_addr=(HERE, 0)
    )
    return transport, transport.get_extra_info("sockname")[1]


@dataclass
class SipPhone:
    """One call. With an open line, silence is sent while nothing is said."""

    server: tuple[str, int]
    signalling: asyncio.DatagramTransport
    port: int
    media: asyncio.DatagramTransport
    media_port: int
    payload_type: int = ULAW
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    to: str = ""
    number: int = 0
    got: list[Answer] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    packets: list[bytes] = field(default_factory=list)
    says: bytearray = field(default_factory=bytearray)
    answers_requests: bool = True
    media_to: tuple[str, int] | None = None
    sequence: int = 65_500  # wraps soon
    timestamp: int = 2**32 - 4000

    def sdp(self, **changes: str) -> str:
        lines = {
            "v": "0",
            "o": f"- 1 {self.number + 1} IN IP4 {HERE}",
            "s": "-",
            "c": f"IN IP4 {HERE}",
            "t": "0 0",
            "m": f"audio {self.media_port} RTP/AVP {self.payload_type} {EVENTS}",
            "a": f"rtpmap:{EVENTS} telephone-event/8000",
        } | changes
        return "".join(f"{key}={value}\r\n" for key, value in lines.items())

    def request(self, method: str, body: str = "", more: str = "", number: int = 0) -> bytes:
        """The next request of this call, or with a number one of before, or about it."""
        if not number:
            self.number += 1
            number = self.number
        branch = f"z9hG4bK{self.call_id}{number}{'ack' if method == 'ACK' else ''}"
        if body:
            more += "Content-Type: application/sdp\r\n"
        return (
            f"{method} sip:bot@{HERE}:{self.server[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HERE}:{self.port};rport;branch={branch}\r\n"
            f'Max-Forwards: 70\r\nFrom: "A, phone" <sip:phone@{HERE}>;tag={self.tag}\r\n'
            f"To: {self.to or f'<sip:bot@{HERE}>'}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:phone@{HERE}:{self.port}>\r\n"
            f"{more}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode("utf-8", "surrogateescape")

    def send(self, data: bytes) -> None:
        self.signalling.sendto(data, self.server)

    def take(self, data: bytes) -> None:
        answer = read(data)
        self.got.append(answer)
        if not answer.status and self.answers_requests:
            self.reply(answer, "200 OK" if answer.method != "REFER" else "202 Accepted")

    def reply(self, request: Answer, status: str) -> None:
        names = ("via", "from", "to", "call-id", "cseq")
        headers = "".join(f"{name}: {request.headers[name]}\r\n" for name in names)
        self.send(f"SIP/2.0 {status}\r\n{headers}Content-Length: 0\r\n\r\n".encode())

    def final(self, method: str, number: int = 0) -> list[Answer]:
        """Final answers to a request of ours."""
        cseq = f"{number or self.number} {method}"
        return [a for a in self.got if a.status >= 200 and a.headers["cseq"] == cseq]

    def asked(self, method: str) -> list[Answer]:
        """Requests of the server's."""
        return [a for a in self.got if not a.status and a.method == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def ask(self, method: str, body: str = "", more: str = "") -> Answer:
        """Send a request and wait for its final answer; a 200 to an INVITE is acknowledged."""
        self.send(self.request(method, body, more))
        number = self.number
        await self.until(lambda: bool(self.final(method, number)))
        answer = self.final(method, number)[0]
        if method == "INVITE":
            self.to = answer.headers["to"]
            self.send(self.request("ACK", number=number))
            if found := re.search(r"m=audio (\d+)", answer.body):
                self.media_to = (HERE, int(found[1]))
        return answer

    def hear(self, data: bytes) -> None:
        kind, _sequence, _timestamp, _source = struct.unpack_from(">xBHII", data)
        assert data[0] == 0x80
        assert kind & 0x7F == self.payload_type
        self.packets.append(data)
        self.heard += data[12:]

    def rtp(self, payload: bytes, payload_type: int, timestamp: int) -> bytes:
        self.sequence += 1
        return (
            struct.pack(
                ">BBHII", 0x80, payload_type, self.sequence % 2**16, timestamp % 2**32, 0xABCD
            )
            + payload
        )

    def press(self, key: str) -> None:
        """Three packets as the key is held, three as it is let go."""
        number = "0123456789*#ABCD".index(key)
        at = self.timestamp
        for i in range(6):
            ends = 0x80 if i >= 3 else 0
            event = struct.pack(">BBH", number, ends | 10, 160 * (i + 1))
            self.media.sendto(self.rtp(event, EVENTS, at), self.media_to)
        self.timestamp += 960

    async def speak(self) -> None:
        """A packet every 20 ms."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            piece = bytes(self.says[:160])
            del self.says[:160]
            piece = piece.ljust(160, bytes([QUIET[self.payload_type]]))
            if self.media_to is not None:
                packet = self.rtp(piece, self.payload_type, self.timestamp)
                self.media.sendto(packet, self.media_to)
                self.timestamp += 160
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def loud_s(self) -> float:
        """How much of what was heard is no silence."""
        decode = g711.ulaw_to_pcm16 if self.payload_type == ULAW else g711.alaw_to_pcm16
        samples = decode(bytes(self.heard))
        frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(float)
        return float((np.sqrt((frames**2).mean(axis=1)) > 1000).sum() * 0.02)

    async def quiet(self, seconds: float = 0.3) -> None:
        """Wait until nothing loud has come for this long."""
        seen = -1.0
        while seen != self.loud_s():
            seen = self.loud_s()
            await asyncio.sleep(seconds)


@asynccontextmanager
async def sip_phone(
    port: int, payload_type: int = ULAW, kind: type[SipPhone] = SipPhone
) -> AsyncIterator[SipPhone]:
    """A phone that has called nobody yet."""
    phone: SipPhone
    signalling, own_port = await socket_for(lambda data: phone.take(data))
    media, media_port = await socket_for(lambda data: phone.hear(data))
    phone = kind((HERE, port), signalling, own_port, media, media_port, payload_type)
    speaking = asyncio.create_task(phone.speak())
    try:
        yield phone
    finally:
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaking
        signalling.close()
        media.close()


@asynccontextmanager
async def calling(port: int, payload_type: int = ULAW, more: str = "") -> AsyncIterator[SipPhone]:
    """A call that has been answered; it is hung up at the end unless it has been."""
    async with sip_phone(port, payload_type) as phone:
        answer = await phone.ask("INVITE", phone.sdp(), more)
        assert answer.status == 200, answer.start
        yield phone
        if not phone.asked("BYE") and not phone.final("BYE"):
            await phone.ask("BYE")
