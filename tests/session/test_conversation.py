"""Items in order, bounded; how they read to the thinker; cutting to what was heard."""

from __future__ import annotations

import pytest

from voiceserver.engine.messages import WordTiming
from voiceserver.errors import ClientError
from voiceserver.session.conversation import Conversation, Spoken
from voiceserver.session.items import Item, Part, assistant_message, spoken_by_user
from voiceserver.session.playout import CLIENT_BUFFER_S, Playout


def typed(item_id: str, text: str = "") -> Item:
    return Item(item_id, role="user", parts=(Part("input_text", text or item_id),))


def test_items_stand_where_they_were_put() -> None:
    conversation = Conversation("c", 64)
    assert conversation.add(typed("b")) is None
    assert conversation.add(typed("d")) == "b"
    assert conversation.add(typed("a"), "root") is None
    assert conversation.add(typed("c"), "b") == "b"
    assert [item.item_id for item in conversation.items()] == ["a", "b", "c", "d"]
    conversation.delete("b")
    assert conversation.last_id == "d"
    assert "b" not in conversation


def test_wrong_places_are_refused_and_change_nothing() -> None:
    conversation = Conversation("c", 64)
    conversation.add(typed("a"))
    for wrong in (
        lambda: conversation.add(typed("a")),
        lambda: conversation.add(typed("b"), "nowhere"),
        lambda: conversation.delete("b"),
    ):
        with pytest.raises(ClientError):
            wrong()
    assert len(conversation) == 1


def test_the_oldest_are_forgotten() -> None:
    conversation = Conversation("c", 4)
    for i in range(100):
        conversation.add(typed(f"i{i}"))
    assert len(conversation) == 16
    assert [m.text for m in conversation.dialogue("")] == ["i96", "i97", "i98", "i99"]


def test_much_text_is_forgotten_too() -> None:
    conversation = Conversation("c", 64)
    for i in range(10):
        conversation.add(typed(f"i{i}", "x" * 300_000))
    assert [item.item_id for item in conversation.items()] == ["i7", "i8", "i9"]


def test_the_dialogue_fits_the_thinkers_window() -> None:
    conversation = Conversation("c", 64)
    for i in range(10):
        conversation.add(typed(f"i{i}", "x" * 1000))
    dialogue = conversation.dialogue("Be kind.", and_item=typed("new", "and now?"))
    assert dialogue[0].text == "Be kind."
    assert dialogue[-1].text == "and now?"
    assert sum(len(m.text) for m in dialogue[1:]) <= conversation.dialogue_chars


def test_items_that_say_nothing_are_not_read_to_the_thinker() -> None:
    conversation = Conversation("c", 64)
    conversation.add(spoken_by_user("u", None))
    conversation.add(assistant_message("a", "", spoken=True, status="incomplete"))
    conversation.add(Item("f", "function_call", name="n", arguments="{}"))
    assert conversation.dialogue("") == ()


TEXT = "One, two, three."
WORDS = (
    WordTiming("One", 0, 3, 0.0, 0.4),
    WordTiming("two", 5, 8, 0.5, 0.9),
    WordTiming("three", 10, 15, 1.0, 1.4),
)


@pytest.mark.parametrize(
    ("heard_s", "text"),
    [(0.0, ""), (0.19, ""), (0.3, "One"), (0.95, "One, two"), (9.0, "One, two, three")],
)
def test_a_spoken_item_is_cut_to_what_was_heard(heard_s: float, text: str) -> None:
    conversation = Conversation("c", 64)
    conversation.add(assistant_message("a", TEXT, spoken=True, status="completed"))
    conversation.remember_spoken("a", Spoken(TEXT, WORDS))
    conversation.cut_to_heard("a", 0.3)
    conversation.cut_to_heard("a", heard_s)  # the client knows better than the estimate
    item = conversation.get("a")
    assert item is not None
    assert item.text == text


def test_playout_runs_with_the_clock() -> None:
    playout = Playout()
    playout.sent("a", 1.0, now_s=10.0)
    playout.sent("a", 1.0, now_s=10.1)
    assert playout.unheard_s(10.0) == pytest.approx(2.0 + CLIENT_BUFFER_S)
    assert playout.heard_s(11.0 + CLIENT_BUFFER_S) == pytest.approx(1.0)
    assert playout.heard_s(20.0) == pytest.approx(2.0)
    assert not playout.audible(20.0)
    playout.sent("b", 0.5, now_s=20.0)  # after silence the sound begins anew
    assert playout.heard_s(20.0) == 0.0
    playout.flushed(20.2)
    assert playout.unheard_s(20.2) == 0.0
