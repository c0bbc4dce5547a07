"""When the assistant may speak up without having been spoken to: as soon as nobody else does."""

from __future__ import annotations

from voiceserver.session import notices as n
from voiceserver.session.session import Session
from voiceserver.session.settings import ReplyOptions


class Floor:
    """Keeps what the assistant is to say unasked until the floor is free."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._users_item: str | None = None  # the turn that is being spoken, or not yet read
        self._wanted = False

    def want(self) -> None:
        """There is something in the conversation that the assistant should speak about."""
        self._wanted = True

    def heed(self, notice: n.Effect) -> None:
        """Learn who has the floor."""
        match notice:
            case n.SpeechStarted(item_id):
                self._users_item = item_id
            case n.Transcribed(item_id) | n.TranscriptionFailed(item_id):
                if item_id == self._users_item:
                    self._users_item = None
            case n.ReplyCreated():  # it has read the conversation, whoever it answers
                self._users_item, self._wanted = None, False

    def engine_lost(self) -> None:
        """What the user was saying is forgotten."""
        self._users_item = None

    def take(self, now_s: float) -> None:
        """Speak up, if that is wanted and nobody else speaks."""
        if self._wanted and self._users_item is None and self._session.speaker.active is None:
            self._wanted = False
            self._session.create_response(self._options(), now_s)

    def _options(self) -> ReplyOptions:
        return self._session.settings.reply_options()
