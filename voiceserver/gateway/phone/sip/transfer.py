"""Handing a call over by REFER (RFC 3515): the caller's phone calls somebody else and tells us."""

from __future__ import annotations

import asyncio
import re

from voiceserver.gateway.phone.sip.message import Headers, Malformed, host_of

PATIENCE_S = 60.0  # for the other side to be rung and to answer
_SIPFRAG = re.compile(rb"\s*SIP/2\.0 ([1-6][0-9]{2})")
_NUMBER = re.compile(r"\+?[0-9A-Za-z*#._-]{1,64}", re.ASCII)


def target_uri(target: str, here: str) -> str | None:
    """A SIP URI, or a number or a name at the caller's own exchange; None if it is neither."""
    if _NUMBER.fullmatch(target):
        return f"sip:{target.replace('#', '%23')}@{here}"
    try:
        host_of(target)
    except Malformed:
        return None
    return target if re.fullmatch(r"[!-;=?-~]{1,256}", target) else None  # no < > or blanks


class Transfer:
    """One that is under way."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def headers(self, us: str) -> Headers:
        """What says to whom, and on whose behalf."""
        return ("refer-to", f"<{self._target}>"), ("referred-by", us)

    def told(self, fragment: bytes) -> None:
        """How far it is: a status line as the body of a NOTIFY."""
        found = _SIPFRAG.match(fragment)
        if found and int(found[1]) >= 200 and not self._outcome.done():
            self._outcome.set_result(int(found[1]))

    def left(self) -> None:
        """The caller has hung up on us: they have gone to the other side."""
        if not self._outcome.done():
            self._outcome.set_result(200)

    async def outcome(self) -> int:
        """The status that it ends with."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._outcome
        except TimeoutError:
            return 408
