"""The sound of items that clients fetch."""

from __future__ import annotations

import base64

from voiceserver.gateway.realtime.shelf import MOST_ITEM_BYTES, AudioShelf
from voiceserver.gateway.wire_audio import AudioFormat

FRAME_BYTES = 8 * 2**20  # that openai-agents-python takes


def test_sound_that_would_make_too_long_a_frame_is_left_out() -> None:
    shelf = AudioShelf(1.0)
    shelf.speak("item", AudioFormat.PCM, bytes(MOST_ITEM_BYTES))
    sound = shelf.audio("item", AudioFormat.PCM)
    assert sound is not None
    assert FRAME_BYTES - 2**15 < len(base64.b64encode(sound)) < FRAME_BYTES - 2**14
    assert shelf.audio("item", AudioFormat.ULAW) is not None  # a sixth of it
    shelf.speak("item", AudioFormat.PCM, bytes(2))
    assert shelf.audio("item", AudioFormat.PCM) is None


def test_a_long_item_can_be_fetched_once_it_is_cut() -> None:
    shelf = AudioShelf(1.0)
    shelf.speak("item", AudioFormat.PCM, bytes(MOST_ITEM_BYTES + 2))
    shelf.truncate("item", 1000)
    assert shelf.audio("item", AudioFormat.PCM) == bytes(48_000)
