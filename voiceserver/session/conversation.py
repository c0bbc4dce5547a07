"""The conversation: an ordered, bounded list of items, and how it reads to the thinker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from voiceserver.engine.messages import ChatMessage, EngineReady, WordTiming
from voiceserver.errors import ClientError
from voiceserver.session.items import Item, Role
from voiceserver.session.tool_messages import tool_messages

ROOT = "root"  # the protocol's name for "before the first item"
MOST_CHARS = 2**20  # of all items together
MOST_IMAGE_CHARS = 12 * 2**20  # of all images together; older ones are forgotten
_ITEMS_PER_MESSAGE = 4  # items kept for every dialogue message read; older ones are forgotten


@dataclass(frozen=True)
class Spoken:
    """What the assistant said in an item: the whole text sent, and when each word sounds."""

    text: str
    words: tuple[WordTiming, ...]

    def heard_text(self, heard_s: float) -> str:
        """The text up to the last word of which at least half was heard."""
        heard = [w for w in self.words if (w.start_s + w.end_s) / 2 <= heard_s]
        return self.text[: heard[-1].char_end] if heard else ""


class Conversation:
    """Items in order. All changes keep `order` and `items` in step."""

    def __init__(self, conversation_id: str, dialogue_messages: int) -> None:
        self.conversation_id = conversation_id
        self._dialogue_messages = dialogue_messages
        self._order: list[str] = []
        self._items: dict[str, Item] = {}
        self._spoken: dict[str, Spoken] = {}
        self._taken_back: set[str] = set()  # replies that nobody reads
        self._continued: dict[str, str] = {}  # a user's message -> the one before it that it ends
        # Where on the audio clock the present engine began to hear; None: it only reads.
        self.heard_from_sample: int | None = None
        self.reads_calls = False  # the present engine reads function calls and their results
        self.reads_images = False  # it reads images in the messages of users
        self.dialogue_chars = EngineReady.dialogue_chars  # how much it reads

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def items(self) -> tuple[Item, ...]:
        """All items, oldest first."""
        return tuple(self._items[item_id] for item_id in self._order)

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    def get(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def before(self, item_id: str) -> str | None:
        """The item in front of this one, if there are both."""
        place = self._order.index(item_id) if item_id in self._items else 0
        return self._order[place - 1] if place else None

    def add(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Put an item in its place; return the id of the one before it (None at the front).

        `previous_item_id` None appends; ROOT puts it first.
        """
        if item.item_id in self._items:
            raise ClientError(
                f"Error adding item: an item with id '{item.item_id}' already exists.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        place = self._place_after(previous_item_id)
        self._order.insert(place, item.item_id)
        self._items[item.item_id] = item
        before = self._order[place - 1] if place else None
        self._forget_oldest()
        return before

    def _place_after(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return len(self._order)
        if previous_item_id == ROOT:
            return 0
        if previous_item_id not in self._items:
            raise ClientError(
                f"Error adding item: the previous item with id '{previous_item_id}' "
                "does not exist.",
                code="invalid_value",
                param="previous_item_id",
            )
        return self._order.index(previous_item_id) + 1

    def _forget_oldest(self) -> None:
        chars = sum(item.chars for item in self._items.values())
        most_items = self._dialogue_messages * _ITEMS_PER_MESSAGE
        while len(self._order) > 1 and (len(self._order) > most_items or chars > MOST_CHARS):
            chars -= self._items[self._order[0]].chars
            self._drop(self._order[0])
        room_chars = MOST_IMAGE_CHARS
        for item in reversed(self.items()):
            room_chars -= item.image_chars
            if item.images and room_chars < 0:
                self._items[item.item_id] = item.without_images()

    def _drop(self, item_id: str) -> None:
        self._order.remove(item_id)
        del self._items[item_id]
        self._spoken.pop(item_id, None)
        self._taken_back.discard(item_id)
        self._continued.pop(item_id, None)

    def replace(self, item: Item) -> None:
        """Store a newer state of an item, if it has not been deleted meanwhile."""
        if item.item_id in self._items:
            self._items[item.item_id] = item

    def delete(self, item_id: str) -> None:
        if item_id not in self._items:
            raise ClientError(
                f"Error deleting item: the item with id '{item_id}' does not exist.",
                code="item_delete_invalid_item_id",
                param="item_id",
            )
        self._drop(item_id)

    def remember_spoken(self, item_id: str, spoken: Spoken) -> None:
        """Keep what was said and when, so that the item can be cut to what was heard."""
        if item_id in self._items:
            self._spoken[item_id] = spoken

    def cut_to_heard(self, item_id: str, heard_s: float) -> None:
        """Let an assistant's item hold only the words heard. May be corrected by a later call."""
        item, spoken = self._items.get(item_id), self._spoken.get(item_id)
        if item is not None and spoken is not None:
            cut = item.with_part_text(0, spoken.heard_text(heard_s))
            self._items[item_id] = replace(cut, heard_s=heard_s)

    def take_back(self, item_id: str) -> None:
        """A reply came too soon: the client keeps it, but no model reads it."""
        if item_id in self._items:
            self._taken_back.add(item_id)

    def last_spoken_by_user(self) -> Item | None:
        """The newest turn of the user's."""
        spoken = (self._items[i] for i in reversed(self._order))
        return next((item for item in spoken if item.is_spoken_by_user), None)

    def continue_with(self, item_id: str) -> str | None:
        """Let the user's message to come be one with their last; return that one's id.

        None if something that is read stands between them.
        """
        last = next((i for i in reversed(self._order) if i not in self._taken_back), None)
        if last is None or not self._items[last].is_spoken_by_user:
            return None
        # Of messages that were expected and never came nothing is kept.
        self._continued = {new: old for new, old in self._continued.items() if new in self._items}
        self._continued[item_id] = last
        return last

    def continues(self, item_id: str) -> bool:
        """Whether the message belongs to the one before it."""
        return item_id in self._continued

    def dialogue(
        self, instructions: str, *, and_item: Item | None = None
    ) -> tuple[ChatMessage, ...]:
        """The conversation as the model reads it, with `and_item` as a turn not yet committed."""
        items = self.items() if and_item is None else (*self.items(), and_item)
        return self.fit(self.messages(items), instructions, self._dialogue_messages)

    def fit(
        self, messages: list[ChatMessage], instructions: str, most_messages: int
    ) -> tuple[ChatMessage, ...]:
        """The newest messages that fit the thinker's window, after the instructions."""
        most_chars = room_chars = self.dialogue_chars
        kept: list[ChatMessage] = []
        for message in reversed(messages[-most_messages:]):
            if kept and _chars(message) > room_chars:
                break
            kept.append(replace(message, text=message.text[:most_chars]))
            room_chars -= _chars(message)
        head = [ChatMessage("system", instructions[:most_chars])] if instructions else []
        return (*head, *reversed(kept))

    def messages(self, items: Iterable[Item]) -> list[ChatMessage]:
        """What the items say to the present engine, those left out that say nothing."""
        messages: list[ChatMessage] = []
        for item in items:
            if item.kind != "message":
                messages += tool_messages(item) if self.reads_calls else []
            elif item.role is not None and self.is_readable(item):
                message = self._message(item, item.role)
                if messages and self._belong_together(messages[-1], message):
                    message = _joined(messages.pop(), message)
                messages.append(message)
        return messages

    def _belong_together(self, first: ChatMessage, second: ChatMessage) -> bool:
        before = self._continued.get(second.item_id)
        while before is not None and before != first.item_id:  # one that said nothing
            before = self._continued.get(before)
        return before is not None and (first.start_sample is None) == (second.start_sample is None)

    def _message(self, item: Item, role: Role) -> ChatMessage:
        message = ChatMessage(role, item.text.strip(), item.item_id, heard_s=item.heard_s)
        if self.reads_images and item.images:
            message = replace(message, images=item.images)
        if (span := self._heard_span(item)) is not None:
            message = replace(message, start_sample=span[0], end_sample=span[1])
        return message

    def is_readable(self, item: Item) -> bool:
        """Whether the present engine can read the item: its text, or the audio it has heard."""
        if item.item_id in self._taken_back:
            return False
        shown = self.reads_images and bool(item.images)
        return bool(item.text.strip()) or shown or self.is_heard(item)

    def is_heard(self, item: Item) -> bool:
        """Whether the present engine has heard the item and needs no transcript of it."""
        return self._heard_span(item) is not None

    def _heard_span(self, item: Item) -> tuple[int, int] | None:
        """Where the item lies on the engine's input clock, if it has heard it."""
        zero, start, end = self.heard_from_sample, item.start_sample, item.end_sample
        if zero is None or start is None or end is None or start < zero:
            return None
        return start - zero, end - zero


def _joined(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    """Two messages of the user's as one: both texts, or the voice from the first to the second."""
    text = f"{first.text} {second.text}".strip()
    return replace(second, text=text, start_sample=first.start_sample)


def _chars(message: ChatMessage) -> int:
    return len(message.text) + (len(message.call.arguments) if message.call else 0)


def same_dialogue(first: Sequence[ChatMessage], second: Sequence[ChatMessage]) -> bool:
    """Whether two dialogues say the same, however much of the texts is known by now."""
    return [message.content for message in first] == [message.content for message in second]
