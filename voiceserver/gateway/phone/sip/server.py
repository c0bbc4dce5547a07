"""Listens for calls over SIP: every datagram's way to the call it belongs to, or to a refusal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

from voiceserver.config import SipConfig, host_and_port
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.admission import Refused, admit, serve
from voiceserver.gateway.phone.sip.addresses import plain, through
from voiceserver.gateway.phone.sip.callers import Callers
from voiceserver.gateway.phone.sip.leg import METHODS, Leg
from voiceserver.gateway.phone.sip.media import Media
from voiceserver.gateway.phone.sip.message import (
    Headers,
    Malformed,
    Request,
    host_of,
    parameters,
    parse,
)
from voiceserver.gateway.phone.sip.registration import RETRY_S, Registration
from voiceserver.gateway.phone.sip.sdp import NotAcceptable
from voiceserver.gateway.phone.sip.sip_call import SipCall
from voiceserver.gateway.phone.sip.transactions import Address, Transactions, response_to
from voiceserver.gateway.state import GatewayState

log = logging.getLogger("voiceserver.gateway")

_GOODBYE_S = 1.0


class SipServer(asyncio.DatagramProtocol):
    """A user agent on one UDP port."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._transport: asyncio.DatagramTransport | None = None
        self._transactions = Transactions(self._send)
        self._callers = Callers((), state.services.clock.now_s)
        self._legs: dict[str, Leg] = {}  # by Call-ID
        self._calls: set[asyncio.Task[None]] = set()
        self._registration: Registration | None = None
        self._registering: asyncio.Task[None] | None = None
        self._host, self._port = "", 0

    # --- life --------------------------------------------------------------------------------

    async def start(self, config: SipConfig) -> None:
        """Listen at HOST:PORT, and register where that is asked for."""
        self._callers = Callers(config.callers, self._state.services.clock.now_s)
        self._host, port = host_and_port(config.address)
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=(self._host, port)
            )
        except OSError as error:
            message = f"cannot listen for SIP on {config.address}: {error.strerror or error}"
            log.error("%s", message)
            raise VoiceserverError(message) from error
        self._port = self._transport.get_extra_info("sockname")[1]
        if config.register is not None:
            keeping = self._register(config.register, config.password())
            self._registering = asyncio.create_task(keeping)

    async def _register(self, uri: str, password: str | None) -> None:
        """Find the exchange, now or later, and stay registered there."""
        host, port = host_of(uri)
        loop = asyncio.get_running_loop()
        while True:
            try:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
                exchange = str(found[0][4][0]), port
                here = self._here(exchange[0]), self._port
                break
            except OSError as error:
                log.warning("%s could not be registered: %s", uri, error.strerror or error)
                await asyncio.sleep(RETRY_S)
        self._callers.allow(exchange[0])
        self._registration = Registration(uri, password, exchange, here, self._transactions)
        await self._registration.keep()

    async def stop(self) -> None:
        """Let nobody in any more; calls have been ended before."""
        if self._registering is not None:
            self._registering.cancel()
        if self._registration is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._registration.leave()
        self._transactions.close()
        if self._transport is not None:
            self._transport.close()

    def _here(self, peer: str) -> str:
        """Our address as that peer reaches it."""
        if self._host not in {"0.0.0.0", "::"}:
            return self._host
        kind = socket.AF_INET6 if ":" in peer else socket.AF_INET
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # sends nothing
            return str(probe.getsockname()[0])

    def _send(self, data: bytes, to: Address) -> None:
        host = through(to[0], self._host)
        if host is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, (host, to[1]))

    # --- datagrams ---------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        source = plain(addr[0]), addr[1]
        try:
            message = parse(data)
        except Malformed:
            return  # also what only keeps a way through a NAT open
        try:
            if isinstance(message, Request):
                self._take(message, source)
            else:
                self._transactions.answered(message)
        except Malformed as error:
            log.info("SIP from %s: %s", source[0], error)
            if isinstance(message, Request):
                self._refuse(message, source, 400)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens where we sent to: transactions notice by themselves."""

    def _take(self, request: Request, source: Address) -> None:
        leg = self._legs.get(request.text("call-id"))
        if request.method == "ACK":
            self._transactions.acknowledged(request)
            if leg is not None and leg.dialog.is_of(request):
                leg.acknowledge(request)
            return
        if leg is not None and leg.dialog.is_of(request):
            if not self._transactions.is_copy(request, source):
                leg.take(request, source)
            return
        if not self._may_ask(request, source) or self._transactions.is_copy(request, source):
            return
        if request.method == "CANCEL":
            self._cancel(leg, request, source)
        elif "tag" in parameters(request.text("to")):
            self._refuse(request, source, 481)
        elif needed := request.all("require"):
            self._refuse(request, source, 420, ("unsupported", ", ".join(needed)))
        elif request.method == "INVITE":
            self._invited(request, source)
        elif request.method == "OPTIONS":
            self._refuse(request, source, 200, ("allow", METHODS), ("accept", "application/sdp"))
        else:
            self._refuse(request, source, 405, ("allow", METHODS))

    def _may_ask(self, request: Request, source: Address) -> bool:
        """Whether a request that belongs to no call is looked at."""
        if self._callers.too_often(source[0]):
            return False
        if self._callers.may_call(source[0]) or self._here(source[0]) == source[0]:
            return True
        if request.method == "INVITE":
            log.warning(
                "a SIP call from %s was refused: not an address that may call "
                "(VOICESERVER_SIP_CALLERS)",
                source[0],
            )
            self._state.services.metrics.sessions_refused.labels("call_not_authorised").inc()
        response = response_to(request, source, 403, tag="none")
        self._send(response.encoded(), source)
        return False

    def _refuse(
        self, request: Request, source: Address, status: int, *more: tuple[str, str]
    ) -> None:
        headers: Headers = more
        response = response_to(request, source, status, tag="none", more=headers)
        self._transactions.answer(request, source, response)

    def _cancel(self, leg: Leg | None, request: Request, source: Address) -> None:
        meant = leg is not None and leg.invite.branch == request.branch
        self._refuse(request, source, 200 if meant else 481)
        if leg is not None and meant:
            leg.refuse(487)

    # --- calls -------------------------------------------------------------------------------

    def _invited(self, invite: Request, source: Address) -> None:
        if invite.text("call-id") in self._legs:  # the same call by another way
            return self._refuse(invite, source, 482)
        here = self._here(source[0]), self._port
        try:
            leg = Leg(invite, source, here, self._transactions, self._forget)
        except NotAcceptable as error:
            log.warning("a SIP call from %s was refused: %s", source[0], error)
            return self._refuse(invite, source, 488)
        self._legs[leg.dialog.call_id] = leg
        leg.trying()
        task = asyncio.create_task(self._call(leg))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _forget(self, leg: Leg) -> None:
        self._legs.pop(leg.dialog.call_id, None)

    async def _call(self, leg: Leg) -> None:
        """One call from its beginning to its end."""
        services = self._state.services
        media = Media(services.clock.now_s)
        try:
            port = await media.open(self._host)
            call = await admit(self._state, lambda: SipCall(leg, media, services))
            log.info("%s is call %a", call.session_id, leg.dialog.call_id)
            if not leg.over:  # not cancelled meanwhile
                leg.accept(call, port)
            await serve(call, self._state)
        except Refused as refused:
            services.metrics.sessions_refused.labels(refused.code).inc()
            log.warning("a call over SIP was refused: %s", refused)
            leg.refuse(486 if refused.status == 429 else 503)
        except Exception:
            log.exception("a call over SIP ended by an error")
            leg.refuse(500)
            leg.hang_up()
        finally:
            media.close()
