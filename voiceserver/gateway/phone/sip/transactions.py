"""Transactions over UDP (RFC 3261, section 17): what is lost is sent again, copies are known."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from voiceserver.gateway.phone.sip.message import Headers, Message, Request, Response, parameters

Address = tuple[str, int]

T1_S = 0.5  # a round trip, roughly
T2_S = 4.0  # the longest wait between copies
PATIENCE = 64  # T1s until we give up
_MOST_ANSWERED = 2048  # remembered at once

AGENT = "voiceserver"
REASONS = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
}
_SEEN = {"received", "rport"}

Key = tuple[str, str, str]


@dataclass
class _Answered:
    """A request's newest answer, for when it comes again."""

    data: bytes = b""
    repeating: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self.repeating is not None:
            self.repeating.cancel()


class Transactions:
    """All of one socket. `send` puts a datagram on the wire."""

    def __init__(self, send: Callable[[bytes, Address], None], t1_s: float = T1_S) -> None:
        self._send = send
        self._t1_s = t1_s
        self._answered: OrderedDict[Key, _Answered] = OrderedDict()
        self._asked: dict[
            tuple[str, str], asyncio.Future[Response | None]
        ] = {}  # by branch and method

    # --- requests to us ----------------------------------------------------------------------

    def is_copy(self, request: Request, source: Address) -> bool:
        """Whether this request has come before; then it has been answered as it was then."""
        answered = self._answered.get(_key(request, request.method))
        if answered is None:
            self._remember(_key(request, request.method))
            return False
        if answered.data:
            self._send(answered.data, answer_to(request, source))
        return True

    def _remember(self, key: Key) -> None:
        self._answered[key] = _Answered()
        while len(self._answered) > _MOST_ANSWERED:
            self._answered.popitem(last=False)[1].stop()
        asyncio.get_running_loop().call_later(PATIENCE * self._t1_s, self._forget, key)

    def _forget(self, key: Key) -> None:
        self._answered.pop(key, None)

    def answer(self, request: Request, source: Address, response: Response) -> None:
        """Answer a request; should it come again, it gets the same."""
        data = response.encoded()
        self._send(data, answer_to(request, source))
        if answered := self._answered.get(_key(request, request.method)):
            answered.data = data

    def repeat(
        self, request: Request, source: Address, response: Response, unheard: Callable[[], None]
    ) -> Callable[[], None]:
        """Answer an INVITE for good, again and again until what is returned is called.

        `unheard` is called if that does not happen.
        """
        self.answer(request, source, response)
        data, to = response.encoded(), answer_to(request, source)

        async def repeating() -> None:
            await self._copies(data, to)
            unheard()

        answered = self._answered.setdefault(_key(request, request.method), _Answered())
        answered.repeating = asyncio.create_task(repeating())
        return answered.stop

    def acknowledged(self, request: Request) -> None:
        """An ACK with the branch of the INVITE: it has our refusal."""
        if answered := self._answered.get(_key(request, "INVITE")):
            answered.stop()

    async def _copies(self, data: bytes, to: Address) -> None:
        """Send copies further and further apart, until patience ends."""
        wait_s, waited_s = self._t1_s, 0.0
        while waited_s < PATIENCE * self._t1_s:
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(2 * wait_s, T2_S / T1_S * self._t1_s)
            self._send(data, to)

    # --- requests of ours --------------------------------------------------------------------

    async def request(self, request: Request, to: Address) -> Response | None:
        """Send a request, again if need be; its final answer, or None if there is none."""
        key = request.branch, request.method
        future: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._asked[key] = future
        data = request.encoded()
        self._send(data, to)
        copies = asyncio.create_task(self._copies(data, to))
        copies.add_done_callback(lambda _: _settle(future, None))
        try:
            return await future
        finally:
            copies.cancel()
            del self._asked[key]

    def answered(self, response: Response) -> None:
        """A response has come; raises Malformed."""
        future = self._asked.get((response.branch, response.sequence[1]))
        if future is not None and response.status >= 200:
            _settle(future, response)

    def close(self) -> None:
        """Send nothing more."""
        for answered in self._answered.values():
            answered.stop()
        self._answered.clear()


def _settle(future: asyncio.Future[Response | None], response: Response | None) -> None:
    if not future.done():
        future.set_result(response)


def _key(request: Message, method: str) -> Key:
    """Names a transaction (RFC 3261, section 17.2.3)."""
    via = request.text("via")
    sent_by = via.partition(";")[0]
    branch = request.branch or f"{request.text('call-id')} {request.text('cseq')}"
    return branch, sent_by, method


def answer_to(request: Message, source: Address) -> Address:
    """Where answers go: back where the request came from, to the port it names (RFC 3581)."""
    via = request.text("via")
    if "rport" in parameters(via):
        return source
    port = via.partition(";")[0].rpartition(":")[2].strip()
    named = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16
    return source[0], int(port) if named else 5060


def response_to(
    request: Request, source: Address, status: int, *, tag: str = "", more: Headers = ()
) -> Response:
    """An answer to a request, with the headers that every answer has."""
    headers: list[tuple[str, str]] = []
    for name, value in request.headers:
        if name == "via" and not headers:
            value = _received(value, source)
        if name == "to" and tag and "tag" not in parameters(value):
            value += f";tag={tag}"
        if name in {"via", "from", "to", "call-id", "cseq"} or (
            name == "record-route" and status // 100 in (1, 2)
        ):
            headers.append((name, value))
    return Response((*headers, ("server", AGENT), *more), b"", status, REASONS[status])


def _received(via: str, source: Address) -> str:
    """The newest Via, with where it really came from."""
    pieces = via.split(";")
    kept = [p for p in pieces[1:] if p.partition("=")[0].strip().lower() not in _SEEN]
    seen = [f"received={source[0]}"]
    if "rport" in parameters(via):
        seen.append(f"rport={source[1]}")
    return ";".join([pieces[0], *kept, *seen])
