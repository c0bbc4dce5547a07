"""The server's side of calls from simulated SIP phones."""

from __future__ import annotations

from gateway_calls import Gateway
from sip_phone import SipPhone

from voiceserver.gateway.phone.sip.sip_call import SipCall


def port_of(gateway: Gateway) -> int:
    sip = gateway.state.config.sip
    assert sip is not None
    return int(sip.address.rpartition(":")[2])


def line_of(gateway: Gateway, call: SipPhone) -> SipCall:
    """The server's side of a call."""
    lines = [line for line in gateway.state.connections if isinstance(line, SipCall)]
    [line] = [line for line in lines if line._leg.dialog.call_id == call.call_id]
    return line
