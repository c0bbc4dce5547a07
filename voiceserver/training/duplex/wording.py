"""Turns broken off after some word, as the text model reads them, for the judge of wording.

No sound is needed: what is learnt is which words leave nothing to be said. A turn of several
sentences is not over after its first, though that is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from voiceserver.config import cache_folder
from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.nano.thinker import SmolThinker
from voiceserver.nn.judges import ENDS
from voiceserver.scenes.texts import Part, read_lines, texts
from voiceserver.training.duplex.judging import Judged
from voiceserver.training.duplex.texts import drawn_question, marked
from voiceserver.training.replies import Reply

Random = np.random.Generator

DRAWN: Final = 450  # questions by templates
LATER: Final = 0.5  # of all turns come after an exchange
HEARD_WORDS: Final = 25  # of the reply in it
_WORD = re.compile(r"[\w'\N{RIGHT SINGLE QUOTATION MARK}-]+")


def turns(part: Part, random: Random) -> list[str]:
    """Texts with marks. Those of scenes' held-out part are as they are."""
    scenes = [*texts("questions", part), *texts("long_turns", part), *texts("interruptions", part)]
    if part == "held_out":
        return scenes
    spoken = read_lines(files(__package__).joinpath("spoken_turns.txt"))
    drawn = [marked(random, drawn_question(random)) for _ in range(DRAWN)]
    return [*scenes, *spoken, *spoken, *drawn]


def broken_off(text: str, random: Random) -> Iterator[str]:
    """What was said up to each mark, and up to some other word."""
    *pieces, _ = text.split("|")
    said = ""
    for piece in pieces:
        said = f"{said} {piece.strip()}".strip()
        yield said
    plain = without_marks(text)
    ends = [word.end() for word in _WORD.finditer(plain)][:-1]
    if len(ends) > 1:
        yield plain[: int(random.choice(ends))]


def without_marks(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


class Reader:
    """Has prefixes of turns read as the engine does, and keeps what its judge would be told."""

    def __init__(self, gguf_file: Path, replies: Sequence[Reply]) -> None:
        self._replies = replies
        self._told: list[Tensor] = []
        converted = cache_folder() / "converted"
        self._thinker = SmolThinker.load(gguf_file, converted, 1, self._keep)

    def _keep(self, features: Tensor) -> Tensor:
        self._told.append(features[0].clone())
        return torch.zeros(1)

    def features(self, before: tuple[ChatMessage, ...], said: str) -> Tensor | None:
        """Of somebody's words after a dialogue: [features]. None: there is no word."""
        self._told.clear()
        dialogue = (*before, ChatMessage("user", said))
        self._thinker.begin(0, Task(dialogue, True, max_tokens=1, temperature=0.0, seed=0))
        while self._thinker.has_more(0):
            self._thinker.step([0])
        return self._told[-1] if self._told else None

    def examples(self, texts: Sequence[str], random: Random, told: Callable[[int], None]) -> Judged:
        """All prefixes; the whole turn counts as much as they do together."""
        features, classes = [], []
        for number, text in enumerate(texts):
            before = self._before(random)
            halves = [self.features(before, said) for said in broken_off(text, random)]
            whole = self.features(before, without_marks(text))
            read = [half for half in halves if half is not None]
            if whole is not None:
                ends = [whole] * max(1, len(read))
                features += [*read, *ends]
                classes += [ENDS.index("goes_on")] * len(read) + [ENDS.index("yields")] * len(ends)
            told(number + 1)
        return Judged(torch.stack(features).numpy(), np.array(classes, np.int64))

    def _before(self, random: Random) -> tuple[ChatMessage, ...]:
        """Nothing, or a question and what was heard of its answer."""
        if random.random() >= LATER:
            return ()
        reply = self._replies[int(random.integers(len(self._replies)))]
        heard = " ".join(reply.text.split()[:HEARD_WORDS])
        return ChatMessage("user", reply.prompt), ChatMessage("assistant", heard)
