from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.engine.slots import Slots


@given(
    count=st.integers(1, 4),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"))),
)
def test_slots_are_never_shared_leaked_or_overfilled(
    count: int, steps: list[tuple[bool, str]]
) -> None:
    slots, model = Slots(count), dict[str, int]()
    for takes, session_id in steps:
        if takes and session_id not in model:
            slot = slots.take(session_id)
            assert (slot is None) == (len(model) == count)
            if slot is not None:
                model[session_id] = slot
        elif not takes:
            assert slots.free(session_id) == model.pop(session_id, None)
        assert len(set(model.values())) == len(model) == slots.taken
        for known, slot in model.items():
            assert slots.slot_of(known) == slot
            assert slots.session_in(slot) == known
        assert all(0 <= slot < count for slot in model.values())


def test_the_lowest_free_slot_is_taken_first() -> None:
    slots = Slots(3)
    assert [slots.take(name) for name in "abc"] == [0, 1, 2]
    slots.free("b")
    assert slots.take("d") == 1


def test_a_session_cannot_sit_twice() -> None:
    slots = Slots(2)
    slots.take("a")
    with pytest.raises(AssertionError, match="already has a slot"):
        slots.take("a")
