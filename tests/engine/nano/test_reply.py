from __future__ import annotations

from voiceserver.engine.family import Task
from voiceserver.engine.messages import EndReason, WordTiming
from voiceserver.engine.nano.reply import WORDS_AHEAD, Reply


def task(speak: bool = True, verbatim: str | None = None) -> Task:
    return Task((), speak, max_tokens=99, temperature=0.0, seed=0, verbatim=verbatim)


def word(text: str, begin: int) -> WordTiming:
    return WordTiming(text, begin, begin + len(text), 0.0, 0.1)


def test_text_is_written_a_bounded_number_of_words_ahead_of_the_voice() -> None:
    reply = Reply.of(task())
    reply.text = " ".join(["word"] * WORDS_AHEAD)
    assert not reply.wants_text
    reply.spoke((word("word", 0),))
    assert reply.wants_text


def test_a_silent_reply_is_written_as_fast_as_it_goes() -> None:
    reply = Reply.of(task(speak=False))
    reply.text = "word " * 500
    assert reply.wants_text


def test_given_text_comes_in_portions_that_join_to_it() -> None:
    text = " ".join(f"word{n}" for n in range(2 * WORDS_AHEAD + 3))
    reply, portions = Reply.of(task(verbatim=text)), list[str]()
    while reply.text_ended is None:
        portions.append(reply.next_verbatim())
    assert "".join(portions) == text
    assert len(portions) == 3
    assert reply.text_ended is EndReason.COMPLETED


def test_a_reply_ends_when_all_text_and_sound_is_out() -> None:
    reply = Reply.of(task())
    reply.text, reply.text_ended = "Hello.", EndReason.COMPLETED
    assert reply.ended(0) is None
    reply.spoke(())
    reply.sound_ended = True
    ended = reply.ended(3)
    assert ended is not None
    assert (ended.slot, ended.reason, ended.audio_frames) == (3, EndReason.COMPLETED, 1)


def test_a_reply_without_a_word_ends_without_sound() -> None:
    reply = Reply.of(task(verbatim="  "))
    assert reply.next_verbatim() == ""
    assert reply.ended(0) is not None
