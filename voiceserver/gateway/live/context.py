"""What an application appends to the conversation while it goes on, as the model reads it."""

from __future__ import annotations

from voiceserver.gateway.line import new_id
from voiceserver.gateway.live.floor import Floor
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session

_FORMS = {
    "instructions": "{}",
    "thinking": "For your information only, do not bring it up yourself: {}",
    "commentary": "Tell the user now, in your own words: {}",
}


class Context:
    """Instructions are followed from now on, thinking is known, commentary is spoken about."""

    def __init__(self, session: Session, floor: Floor) -> None:
        self._session = session
        self._floor = floor

    def append(self, kind: str, content: str) -> None:
        text = _FORMS[kind].format(content)
        item = Item(new_id("item"), role="system", parts=(Part("input_text", text),))
        self._session.create_item(item, None)
        if kind == "commentary":
            self._floor.want()
