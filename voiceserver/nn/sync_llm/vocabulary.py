"""Which token ids are units and speaker tags; asked of the tokenizer beside the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import Chunk, Units

UNITS = 501
OWN_TAG, USER_TAG = "[S0]", "[S1]"
UNIT_NAMES = ("[Hu{}]", "[{}]", "<unit_{}>")  # SpiRit-LM's, the paper's, and a common third
NAMES_SHOWN = 4


@dataclass(frozen=True)
class Vocabulary:
    """Ids of the tags and of each unit."""

    own_tag: int
    user_tag: int
    units: tuple[int, ...]
    unit_of: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_of", {token: unit for unit, token in enumerate(self.units)})
        ids = {self.own_tag, self.user_tag, *self.units}
        if len(ids) != 2 + len(self.units):
            raise AssetError("speaker tags and units share token ids")

    @classmethod
    def of_tokenizer(
        cls,
        tokenizer: Tokenizer,
        *,
        units: int = UNITS,
        unit_name: str | None = None,
        own_tag: str = OWN_TAG,
        user_tag: str = USER_TAG,
    ) -> Vocabulary:
        """By their names; `unit_name` has {} for the number, without it the usual are tried."""
        names = (unit_name,) if unit_name is not None else UNIT_NAMES
        found = next((n for n in names if tokenizer.token_to_id(n.format(0)) is not None), names[0])
        wanted = [own_tag, user_tag, *(found.format(unit) for unit in range(units))]
        ids = [tokenizer.token_to_id(name) for name in wanted]
        missing = [name for name, token in zip(wanted, ids, strict=True) if token is None]
        if missing:
            more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
            raise AssetError(f"the tokenizer lacks {', '.join(missing[:NAMES_SHOWN])}{more}")
        own, user, *rest = (token for token in ids if token is not None)
        return cls(own, user, tuple(rest))

    @property
    def tokens(self) -> tuple[int, ...]:
        """All ids that occur after the prompt: own tag, user's tag, units in order."""
        return self.own_tag, self.user_tag, *self.units

    def own_tokens(self, news: Sequence[int]) -> list[int]:
        """Our part of a chunk: the tag is always there, it is what advances time."""
        return [self.own_tag, *(self.units[unit] for unit in news)]

    def user_tokens(self, news: Sequence[int]) -> list[int]:
        """The user's part of a chunk: nothing, if there is nothing new."""
        return [self.user_tag, *(self.units[unit] for unit in news)] if news else []

    def tokens_of(self, chunks: Iterable[Chunk]) -> list[int]:
        """Chunks as the model reads them."""
        return [
            token
            for chunk in chunks
            for token in (*self.own_tokens(chunk.own), *self.user_tokens(chunk.user))
        ]

    def chunks_of(self, tokens: Iterable[int]) -> list[Chunk]:
        """The inverse of `tokens_of`; a token that is out of place is a ValueError."""
        return list(self._chunks(iter(tokens)))

    def _chunks(self, tokens: Iterator[int]) -> Iterator[Chunk]:
        own: list[int] | None = None
        user: list[int] | None = None
        for token in tokens:
            if token == self.own_tag:
                if own is not None:
                    yield Chunk(tuple(own), tuple(user or ()))
                own, user = [], None
            elif own is None or (token == self.user_tag and user is not None):
                raise ValueError(f"token {token} is out of place")
            elif token == self.user_tag:
                user = []
            elif token in self.unit_of:
                (own if user is None else user).append(self.unit_of[token])
            else:
                raise ValueError(f"token {token} is neither a unit nor a tag")
        if own is not None:
            yield Chunk(tuple(own), tuple(user or ()))


def news_of(chunks: Sequence[Chunk]) -> tuple[list[Units], list[Units]]:
    """Own news and the user's news, chunk by chunk."""
    return [chunk.own for chunk in chunks], [chunk.user for chunk in chunks]
