"""Sound of replies that nobody hears yet, kept for the day when somebody does."""

from __future__ import annotations

from voiceserver.engine.family import Samples


class Prepared:
    """By slot: a reply made on suspicion, and the sound of it so far."""

    def __init__(self) -> None:
        self._sound: dict[int, tuple[str, list[Samples]]] = {}

    def expect(self, slot: int, response_id: str) -> None:
        """This reply is not heard until it is released."""
        self._sound[slot] = response_id, []

    def keep(self, slot: int, samples: Samples) -> bool:
        """Keep more sound of a slot's reply, if it is one that is not heard."""
        if slot not in self._sound:
            return False
        self._sound[slot][1].append(samples)
        return True

    def release(self, slot: int, response_id: str) -> list[Samples]:
        """The sound of a reply that is heard from now on."""
        expected, sound = self._sound.get(slot, ("", []))
        if expected != response_id:
            return []
        self.forget(slot)
        return sound

    def forget(self, slot: int) -> bool:
        """A slot's reply is another one, or none; whether there was one that nobody has heard."""
        return self._sound.pop(slot, None) is not None
