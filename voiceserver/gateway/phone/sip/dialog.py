"""A call's dialog (RFC 3261, section 12): who the two ends are, and how requests are numbered."""

from __future__ import annotations

import secrets

from voiceserver.gateway.phone.sip.message import Headers, Request, parameters, uri_of
from voiceserver.gateway.phone.sip.transactions import AGENT, Address


class Dialog:
    """Of a call to us; `here` is where we can be reached."""

    def __init__(self, invite: Request, here: Address) -> None:
        self.call_id = invite.text("call-id")
        self.tag = secrets.token_hex(8)  # ours
        self.number = secrets.randbits(31)  # of its session descriptions
        self.us = invite.text("to")
        self.contact = f"sip:voiceserver@{place(here)}"
        self._here = here
        self._them = invite.text("from")
        self._their_tag = parameters(self._them).get("tag", "")
        self._their_contact = uri_of(invite.text("contact"))
        self._routes = tuple(("route", value) for value in invite.all("record-route"))
        self._their_number = invite.sequence[0]
        self._our_number = 0

    def is_of(self, request: Request) -> bool:
        """Whether a request with this call's Call-ID belongs to it."""
        ours = parameters(request.text("to")).get("tag")
        theirs = parameters(request.text("from")).get("tag", "")
        return ours == self.tag and theirs == self._their_tag

    def in_order(self, request: Request) -> bool:
        """Whether a request is newer than those before it; it then counts as come."""
        number = request.sequence[0]
        if number <= self._their_number:
            return False
        self._their_number = number
        return True

    def moved(self, request: Request) -> None:
        """A new offer may say that the caller is now reached elsewhere."""
        if (contact := request.first("contact")) is not None:
            self._their_contact = uri_of(contact)

    def request(self, method: str, more: Headers = ()) -> Request:
        """Our next request in this call."""
        self._our_number += 1
        headers = (
            ("via", via(self._here)),
            ("max-forwards", "70"),
            *self._routes,
            ("from", f"{self.us};tag={self.tag}"),
            ("to", self._them),
            ("call-id", self.call_id),
            ("cseq", f"{self._our_number} {method}"),
            ("contact", f"<{self.contact}>"),
            ("user-agent", AGENT),
            *more,
        )
        return Request(headers, b"", method, self._their_contact)


def via(here: Address) -> str:
    """The Via of a request of ours; its branch names a new transaction."""
    return f"SIP/2.0/UDP {place(here)};branch=z9hG4bK{secrets.token_hex(8)};rport"


def place(address: Address) -> str:
    """An address as it stands in a URI."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
