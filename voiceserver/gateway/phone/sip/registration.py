"""Registers us at an exchange, as a phone does (RFC 3261, section 10), and keeps it so."""

from __future__ import annotations

import asyncio
import logging
import secrets

from voiceserver.gateway.phone.sip.dialog import place, via
from voiceserver.gateway.phone.sip.digest import credentials
from voiceserver.gateway.phone.sip.message import Headers, Request, Response, parameters
from voiceserver.gateway.phone.sip.transactions import AGENT, Address, Transactions

log = logging.getLogger("voiceserver.gateway")

EXPIRES_S = 300
RETRY_S = 30.0
_AGAIN_AT = 0.8  # of the time granted
_CHALLENGES = {401: ("www-authenticate", "authorization"),
               407: ("proxy-authenticate", "proxy-authorization")}  # fmt: skip


class Registration:
    """Of `sip:user@exchange`; calls to it then reach us."""

    def __init__(
        self,
        uri: str,
        password: str | None,
        registrar: Address,
        here: Address,
        transactions: Transactions,
    ) -> None:
        self._uri, self._password = uri, password
        self._user = uri.partition(":")[2].partition("@")[0]
        self._registrar, self._here = registrar, here
        self._transactions = transactions
        self._call_id, self._tag = secrets.token_hex(12), secrets.token_hex(8)
        self._number = 0
        self.registered = False

    async def keep(self) -> None:
        """Register, and again before it ends, for ever."""
        while True:
            granted_s = await self._register(EXPIRES_S)
            if self.registered != (granted_s is not None):
                log.warning("%s is %s", self._uri, "registered" if granted_s else "not registered")
            self.registered = granted_s is not None
            await asyncio.sleep(RETRY_S if granted_s is None else granted_s * _AGAIN_AT)

    async def leave(self) -> None:
        """Be no longer registered."""
        if self.registered:
            self.registered = False
            await self._register(0)

    async def _register(self, expires_s: int) -> int | None:
        """The seconds granted, or None; a challenge is answered once."""
        response = await self._ask(expires_s)
        if response is not None and response.status in _CHALLENGES and self._password is not None:
            challenged, header = _CHALLENGES[response.status]
            for challenge in response.all(challenged):
                where = self._request_uri
                answer = credentials(challenge, "REGISTER", where, self._user, self._password)
                if answer is not None:
                    response = await self._ask(expires_s, ((header, answer),))
                    break
        if response is None or response.status != 200:
            why = "no answer" if response is None else f"{response.status} {response.reason!a}"
            log.warning("%s could not be registered: %s", self._uri, why)
            return None
        return _granted_s(response, expires_s)

    @property
    def _request_uri(self) -> str:
        return f"sip:{self._uri.rpartition('@')[2].partition(';')[0]}"

    async def _ask(self, expires_s: int, more: Headers = ()) -> Response | None:
        self._number += 1
        headers = (
            ("via", via(self._here)),
            ("max-forwards", "70"),
            ("from", f"<{self._uri}>;tag={self._tag}"),
            ("to", f"<{self._uri}>"),
            ("call-id", self._call_id),
            ("cseq", f"{self._number} REGISTER"),
            ("contact", f"<sip:{self._user}@{place(self._here)}>"),
            ("expires", str(expires_s)),
            ("user-agent", AGENT),
            *more,
        )
        request = Request(headers, b"", "REGISTER", self._request_uri)
        return await self._transactions.request(request, self._registrar)


def _granted_s(response: Response, asked_s: int) -> int:
    """How long it holds; ours may not be the only contact, the shortest time is safe."""
    told = [parameters(contact).get("expires", "") for contact in response.all("contact")]
    told.append(response.first("expires") or "")
    times = [int(text) for text in told if text.isascii() and text.isdigit() and len(text) < 7]
    return max(10, min([asked_s, *times])) if asked_s else 0
