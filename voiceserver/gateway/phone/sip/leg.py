"""The signalling of one call to us, from its INVITE to its BYE."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from voiceserver.gateway.phone.keypad import KEYS
from voiceserver.gateway.phone.sip import sdp
from voiceserver.gateway.phone.sip.dialog import Dialog
from voiceserver.gateway.phone.sip.message import Headers, Request, Response
from voiceserver.gateway.phone.sip.transactions import Address, Transactions, response_to
from voiceserver.gateway.phone.sip.transfer import Transfer

METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, UPDATE"
_SDP = "application/sdp"
_INFO_KEY = re.compile(rb"\s*(?:Signal\s*=\s*)?([0-9*#A-Da-d])\s", re.ASCII)


class Caller(Protocol):
    """Who is told what the caller's signalling says."""

    def changed(self, theirs: sdp.Description) -> None: ...

    def pressed(self, key: str) -> None: ...

    def hung_up(self) -> None: ...


def description_in(request: Request) -> sdp.Description | None:
    """What an INVITE or an ACK offers or answers, if anything; raises Malformed, NotAcceptable."""
    if not request.body:
        return None
    kind = (request.first("content-type") or _SDP).partition(";")[0].strip().lower()
    if kind != _SDP:
        raise sdp.NotAcceptable(f"a body of type {kind!a}")
    return sdp.read(request.body)


class Leg:
    """One call. `forget` is called once it needs no signalling any more."""

    def __init__(
        self,
        invite: Request,
        source: Address,
        here: Address,
        transactions: Transactions,
        forget: Callable[[Leg], None],
    ) -> None:
        self.invite, self.source, self.here = invite, source, here
        self.theirs = description_in(invite)
        self.dialog = Dialog(invite, here)
        self.over = False
        self.transfer: Transfer | None = None
        self._transactions = transactions
        self._forget = forget
        self._caller: Caller | None = None
        self._media_port = 0
        self._version = 0
        self._acknowledged: Callable[[], None] | None = None  # stops the copies of our 200
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the INVITE --------------------------------------------------------------------------

    def trying(self) -> None:
        """We have it: it need not come again."""
        self._answer(self.invite, self.source, 100)

    def accept(self, caller: Caller, media_port: int) -> None:
        """Take the call; sound comes and goes at this port."""
        self._caller, self._media_port = caller, media_port
        self._agree(self.invite, self.source, self.theirs)

    def refuse(self, status: int) -> None:
        """Do not take the call."""
        if not self.over and self._caller is None:
            response = self._response(self.invite, self.source, status)
            self._transactions.repeat(self.invite, self.source, response, _nobody)
            self._end()

    def _agree(self, invite: Request, source: Address, theirs: sdp.Description | None) -> None:
        """Answer what they offer, or offer what we can; the 200 is repeated until it is heard."""
        more = (("allow", METHODS), ("contact", f"<{self.dialog.contact}>"), ("content-type", _SDP))
        response = self._response(invite, source, 200, more)
        response = replace(response, body=self._description(theirs))
        self._acknowledged = self._transactions.repeat(invite, source, response, self.hang_up)
        self._changed(theirs)

    def _description(self, theirs: sdp.Description | None) -> bytes:
        self._version += 1
        host, number = self.here[0], self.dialog.number
        if theirs is None:
            return sdp.offer(host, self._media_port, number, self._version)
        return sdp.answer(theirs, host, self._media_port, number, self._version)

    def _changed(self, theirs: sdp.Description | None) -> None:
        if theirs is not None and self._caller is not None:
            self.theirs = theirs
            self._caller.changed(theirs)

    def acknowledge(self, ack: Request) -> None:
        """The caller has our 200; an offer of ours is answered with it."""
        if self._acknowledged is None:
            return
        self._acknowledged()
        self._acknowledged = None
        try:
            self._changed(description_in(ack))
        except sdp.NotAcceptable:
            self.hang_up()

    # --- further requests --------------------------------------------------------------------

    def take(self, request: Request, source: Address) -> None:
        """A request of the caller's in this call; raises Malformed."""
        if not self.dialog.in_order(request):
            return self._answer(request, source, 500)
        match request.method:
            case "BYE":
                self._answer(request, source, 200)
                self._end()
            case "INVITE" | "UPDATE":
                self._offered(request, source)
            case "INFO":
                self._answer(request, source, 200)
                found = _INFO_KEY.match(request.body + b"\n")
                if found and self._caller and (key := found[1].decode().upper()) in KEYS:
                    self._caller.pressed(key)
            case "NOTIFY":
                status = 489 if self.transfer is None else 200
                self._answer(request, source, status)
                if self.transfer is not None:
                    self.transfer.told(request.body)
            case "OPTIONS":
                self._answer(request, source, 200, (("allow", METHODS),))
            case _:
                self._answer(request, source, 405, (("allow", METHODS),))

    def _offered(self, request: Request, source: Address) -> None:
        """A new offer: hold, another codec, another place; without one all stays as it is."""
        if self._caller is None or self._acknowledged is not None:
            return self._answer(request, source, 491)
        try:
            theirs = description_in(request)
        except sdp.NotAcceptable:
            return self._answer(request, source, 488)
        self.dialog.moved(request)
        if request.method == "INVITE":
            return self._agree(request, source, theirs)
        more: Headers = (("contact", f"<{self.dialog.contact}>"),)
        if theirs is not None:
            more = (*more, ("content-type", _SDP))
        response = self._response(request, source, 200, more)
        if theirs is not None:
            response = replace(response, body=self._description(theirs))
        self._transactions.answer(request, source, response)
        self._changed(theirs)

    def _answer(self, request: Request, source: Address, status: int, more: Headers = ()) -> None:
        self._transactions.answer(request, source, self._response(request, source, status, more))

    def _response(
        self, request: Request, source: Address, status: int, more: Headers = ()
    ) -> Response:
        tag = "" if status == 100 else self.dialog.tag
        return response_to(request, source, status, tag=tag, more=more)

    # --- requests of ours --------------------------------------------------------------------

    def hang_up(self) -> None:
        """End the call, if it has not ended."""
        if self.over:
            return
        if self._caller is None:
            return self.refuse(487)
        bye = self.dialog.request("BYE")

        async def say() -> None:
            await self._transactions.request(bye, self.source)

        self._keep(asyncio.create_task(say()))
        self._end()

    async def refer(self, target: str) -> int:
        """Have the caller call somebody else; the status that this ended with."""
        self.transfer = Transfer(target)
        refer = self.dialog.request("REFER", self.transfer.headers(self.dialog.us))
        try:
            response = await self._transactions.request(refer, self.source)
            status = 408 if response is None else response.status
            return status if status >= 300 else await self.transfer.outcome()
        finally:
            self.transfer = None

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        """There is no call any more."""
        self.over = True
        if self._acknowledged is not None:
            self._acknowledged()
        if self.transfer is not None:
            self.transfer.left()
        if self._caller is not None:
            self._caller.hung_up()
        self._forget(self)


def _nobody() -> None:
    """Nobody minds that a refusal was not heard."""
