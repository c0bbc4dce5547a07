"""Training text: cleaning, holding out, and exchanging words."""

import json
import random
from pathlib import Path

import pytest

from voiceserver.training.prompts import sample_prompts
from voiceserver.training.replies import (
    HELD_OUT_REPLIES,
    Reply,
    clean_reply,
    read_replies,
    split_held_out,
)
from voiceserver.training.variations import vary, vocabulary_words


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Hello there! This is cut o", "Hello there!"),
        ("**Bold** words.\n\nTwo lines.", "Bold words. Two lines."),
        ("1. First thing.\n2. Second", "First thing."),
        ("Ünïcode only.", ""),
        ("no end", ""),
    ],
)
def test_only_whole_speakable_sentences_are_kept(written: str, cleaned: str) -> None:
    assert clean_reply(written) == cleaned


def test_replies_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    texts = ["One reply.", "one reply.", "Another reply."]
    path.write_text("".join(json.dumps({"prompt": "?", "text": t}) + "\n" for t in texts))
    assert [reply.text for reply in read_replies(path)] == ["One reply.", "Another reply."]


def test_no_held_out_sentence_is_trained_on() -> None:
    replies = [Reply("?", f"Reply number {i}. Really.") for i in range(HELD_OUT_REPLIES)]
    seen, unseen = Reply("?", "New words. Reply number 3."), Reply("?", "All of it new.")
    training, held = split_held_out([*replies, seen, unseen])
    assert held == replies
    assert training == [unseen]


def test_prompts_hang_on_the_seed_alone() -> None:
    assert sample_prompts(20, 1) == sample_prompts(20, 1)
    assert sample_prompts(20, 1) != sample_prompts(20, 2)
    assert not any("{" in prompt for prompt in sample_prompts(200, 3))


def test_exchanged_words_leave_the_frame_of_the_sentence() -> None:
    words = vocabulary_words(["Ġapple", "Ġthat", "pear", "ĠLondon", "Ġtree", "Ġcat"])
    assert words == ["apple", "tree"]
    varied = vary("The mountain that we climbed, is it high?", words, random.Random(1))
    assert varied != "The mountain that we climbed, is it high?"
    assert varied.startswith("The ")
    assert " that we " in varied
    assert varied.endswith("?")
