"""Which session sits in which slot. A session keeps its slot until it closes."""

from __future__ import annotations


class Slots:
    """A fixed number of seats; the lowest free one is taken first."""

    def __init__(self, count: int) -> None:
        assert count > 0, f"{count} slots"
        self._slot_of: dict[str, int] = {}
        self._session_in: list[str | None] = [None] * count

    def __len__(self) -> int:
        """Number of slots, taken or free."""
        return len(self._session_in)

    @property
    def taken(self) -> int:
        return len(self._slot_of)

    def take(self, session_id: str) -> int | None:
        """Seat a session; None when all slots are taken."""
        assert session_id not in self._slot_of, f"{session_id} already has a slot"
        for slot, sitting in enumerate(self._session_in):
            if sitting is None:
                self._session_in[slot] = session_id
                self._slot_of[session_id] = slot
                return slot
        return None

    def slot_of(self, session_id: str) -> int | None:
        return self._slot_of.get(session_id)

    def session_in(self, slot: int) -> str:
        session_id = self._session_in[slot]
        assert session_id is not None, f"slot {slot} is free"
        return session_id

    def free(self, session_id: str) -> int | None:
        """Give a session's slot back; None when it had none."""
        slot = self._slot_of.pop(session_id, None)
        if slot is not None:
            self._session_in[slot] = None
        return slot
