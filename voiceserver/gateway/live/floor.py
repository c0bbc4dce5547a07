"""When the assistant may speak up without having been spoken to: as soon as nobody else does."""

from __future__ import annotations

from voiceserver.session import notices as n
from voiceserver.session.session import Session


class Floor:
    """Keeps it in mind that the assistant is to speak up, until the floor is free."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unread: set[str] = set()  # turns that are over, and will be answered once read
        self._wanted = False

    def want(self) -> None:
        """There is something in the conversation that the assistant should speak about."""
        self._wanted = True

    def heed(self, notice: n.Effect) -> None:
        """Learn who has the floor."""
        match notice:
            case n.Committed(item_id):
                self._unread.add(item_id)
            case n.Transcribed(item_id) | n.TranscriptionFailed(item_id):
                self._unread.discard(item_id)
            case n.ReplyCreated():  # it has read the conversation, whoever it answers
                self._unread.clear()
                self._wanted = False

    @property
    def free(self) -> bool:
        """Whether nobody speaks, and nobody is about to."""
        user_speaks = self._session.ears.current_item_id is not None
        return not (user_speaks or self._unread or self._session.speaker.active)

    def take(self, now_s: float) -> None:
        """Speak up, if that is wanted and the floor is free."""
        if self._wanted and self.free:
            self._wanted = False
            self._session.create_response(self._session.settings.reply_options(), now_s)
