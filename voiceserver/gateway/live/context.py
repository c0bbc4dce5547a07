"""What an application appends to the conversation while it goes on, as the model reads it."""

from __future__ import annotations

from voiceserver.gateway.line import new_id
from voiceserver.gateway.live.floor import Floor
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session

# Said to the model as if by the user: the smallest models heed nothing else in mid-conversation,
# and some chat templates know no other role there.
THINKING = "For your information only, do not bring it up yourself: {}"
COMMENTARY = "Tell me now, in your own words: {}"


class Context:
    """Thinking is known from now on, commentary is spoken about as soon as nobody speaks."""

    def __init__(self, session: Session, floor: Floor) -> None:
        self._session = session
        self._floor = floor

    def think(self, content: str) -> None:
        self._add(THINKING.format(content))

    def comment(self, content: str) -> None:
        self._add(COMMENTARY.format(content))
        self._floor.want()

    def _add(self, text: str) -> None:
        item = Item(new_id("item"), role="user", parts=(Part("input_text", text),))
        self._session.create_item(item, None)
