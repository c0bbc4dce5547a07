"""Thousands of spoilt messages: none raises or logs an error, and calls go on as before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest
from gateway_calls import Gateway
from sip_phone import ULAW, SipPhone, calling, read, sip_phone, tone

Start = Callable[..., AbstractContextManager[Gateway]]

MESSAGES = 6_000
AT_ONCE = 100
WORDS = [
    b"", b"\0", b"\r\n", b"\r\n\r\n", b" ", b";", b"<", b">", b'"', b",", b":", b"%s", b"\xff\xfe",
    b"-1", b"99999999999", b"SIP/2.0", b"tag=", b"z9hG4bK", b"\xd9\xa1", b"x" * 3000, b"=" * 40,
]  # fmt: skip


def spoil(rng: Random, data: bytes) -> bytes:
    """One message with a few changes."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randint(0, len(data))
        pick = rng.randrange(6)
        if pick == 0:
            data = data[:at]
        elif pick == 1:
            data = data[:at] + rng.choice(WORDS) + data[at:]
        elif pick == 2:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif pick == 3:
            data = data[:at] + data[at + rng.randrange(40) :]
        elif pick == 4:
            lines = data.split(b"\r\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            data = b"\r\n".join(lines)
        else:
            lines = data.split(b"\r\n")
            del lines[rng.randrange(len(lines))]
            data = b"\r\n".join(lines)
    return data


def messages(phone: SipPhone) -> list[bytes]:
    """One of each kind, outside of any call or in this phone's."""
    found = [phone.request("INVITE", phone.sdp()), phone.request("ACK", number=1)]
    found += [phone.request("BYE"), phone.request("CANCEL", number=1), phone.request("OPTIONS")]
    found += [phone.request("INFO", "Signal=5\r\n"), phone.request("UPDATE", phone.sdp())]
    found += [phone.request("NOTIFY", "SIP/2.0 200 OK\r\n"), phone.request("REGISTER")]
    found.append(found[2].replace(b"BYE sip:bot", b"SIP/2.0 200 OK\r\nX: y"))
    return found


class Spoiler(SipPhone):
    """Hangs up calls of its own that were taken in spite of all, so that there is room for more."""

    def take(self, data: bytes) -> None:
        answer = read(data)
        if answer.status != 200 or "INVITE" not in answer.headers["cseq"]:
            return
        self.call_id, self.to = answer.headers["call-id"], answer.headers["to"]
        self.tag = answer.headers["from"].rpartition("tag=")[2]
        self.send(self.request("BYE", number=2**31 - 1))


async def test_spoilt_messages_are_survived(
    start_sip: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody may ask so often: here the question is what the asked does.
    monkeypatch.setattr("voiceserver.gateway.phone.sip.callers.BURST", 10**6)
    with start_sip(sessions=60, slots=70) as gateway:
        await flood(gateway)
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]


async def flood(gateway: Gateway) -> None:
    assert gateway.state.config.sip is not None
    port = int(gateway.state.config.sip.address.rpartition(":")[2])
    rng = Random(7)
    async with calling(port) as call, sip_phone(port, kind=Spoiler) as spoiler:
        for i in range(MESSAGES):
            inside = rng.random() < 0.4
            spoiler.call_id, spoiler.to, spoiler.tag = (
                (call.call_id, call.to, call.tag) if inside else (f"f{i}", "", "t")
            )
            message = rng.choice([m for m in messages(spoiler) if not inside or b"BYE" not in m])
            spoiler.send(spoil(rng, message))
            noise = spoil(rng, call.rtp(bytes(160), rng.choice((ULAW, 101, 3)), i))
            call.media.sendto(noise, call.media_to)
            if i % AT_ONCE == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
    async with calling(port) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 0)
