"""What we tell Twilio to do with a call, in TwiML."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr


def hang_up() -> str:
    """End the call."""
    return _response("<Hangup/>")


def connect(stream_url: str, parameters: Mapping[str, str], action: str | None) -> str:
    """Join a call to a media stream in both directions; when we close it, ask `action`."""
    inner = "".join(
        f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
        for name, value in parameters.items()
    )
    asks = "" if action is None else f" action={quoteattr(action)}"
    stream = f"<Stream url={quoteattr(stream_url)}>{inner}</Stream>"
    return _response(f"<Connect{asks}>{stream}</Connect>")


def dial(target: str, action: str) -> str:
    """Call somebody else, a number or a SIP URI; when that is over, ask `action`."""
    noun = "Sip" if target.startswith(("sip:", "sips:")) else "Number"
    return _response(f"<Dial action={quoteattr(action)}><{noun}>{escape(target)}</{noun}></Dial>")


def _response(verb: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verb}</Response>'
