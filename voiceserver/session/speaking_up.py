"""What the assistant says without being asked: into a long silence, and into a long turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.items import Item, spoken_by_user
from voiceserver.session.listening.ears import Ears
from voiceserver.session.speaker import Speaker
from voiceserver.session.timing import TurnMarks, to_ms

# Words that say "I am listening". Whisper understands each from our voice, but not "Mm-hm.".
BACKCHANNELS = ("I see.", "Right.", "Okay.", "Yeah.")
Commit = Callable[[Item, int, int], None]  # (item, start_sample, end_sample)


class SpeakingUp:
    """Prompts and backchannels of one session."""

    def __init__(
        self,
        ears: Ears,
        speaker: Speaker,
        answerer: Answerer,
        new_id: Callable[[str], str],
        put: Callable[[n.Effect], None],
        commit: Commit,
    ) -> None:
        self.idle_since_s: float | None = None  # None: somebody speaks, or nobody has yet
        self.speaks_verbatim = False  # the present engine does
        self._ears = ears
        self._speaker = speaker
        self._answerer = answerer
        self._new_id = new_id
        self._put = put
        self._commit = commit
        self._backchannels = cycle(BACKCHANNELS)

    def if_idle(self, now_s: float) -> None:
        """Speak up when the user has been silent for longer than the client asked for."""
        turns = self._ears.settings
        if turns is None or turns.idle_timeout_ms is None or self.idle_since_s is None:
            return
        if self._speaker.active is not None or self._ears.current_item_id is not None:
            return
        silent_since_s = max(self.idle_since_s, self._speaker.playout.ends_s())
        if now_s - silent_since_s < turns.idle_timeout_ms / 1000:
            return
        self.idle_since_s = None
        now_sample = self._ears.clock.received_samples
        end_ms = to_ms(now_sample)
        item = spoken_by_user(self._new_id("item"), "")
        start_ms = max(0, end_ms - int((now_s - silent_since_s) * 1000))
        self._put(n.IdleTimeout(item.item_id, start_ms, end_ms))
        self._commit(item, now_sample, now_sample)
        marks = TurnMarks(end_ms, now_s, end_of_turn_s=now_s)
        self._answerer.begin_now(item.item_id, marks, now_s)

    def listened(self, now_s: float) -> None:
        """Say "I see" or the like, if the client wants that: outside the conversation."""
        settings, speaker = self._answerer.settings, self._speaker
        wanted = settings.backchannels and settings.speak and self.speaks_verbatim
        if not wanted or not self._answerer.engine_is_there or self._ears.current_item_id is None:
            return
        if speaker.active is not None or speaker.playout.audible(now_s):
            return
        options = replace(
            settings.reply_options(),
            verbatim=next(self._backchannels),
            in_conversation=False,
            metadata={"voiceserver": "backchannel"},
        )
        now_ms = to_ms(self._ears.clock.received_samples)
        speaker.begin(options, (), "", TurnMarks(now_ms, now_s))
