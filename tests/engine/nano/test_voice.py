"""The voice with its real weights: slots do not meet, words are timed, and it is understood."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from voiceserver.config import models_folder
from voiceserver.engine.messages import WordTiming
from voiceserver.engine.nano.voice import FLUSH_STEPS, SpokenFrame, Voice

TEXT = "Hello there. I like the sun, and you?"
OTHER = "Two dogs walk home!"
SLOTS = 4


@pytest.fixture(scope="module")
def voice() -> Voice:
    torch.set_num_threads(1)
    return Voice.load(models_folder() / "nano", SLOTS)


def begin(voice: Voice, slot: int, text: str) -> None:
    voice.start(slot)
    voice.write(slot, text)
    voice.finish(slot)


def run(voice: Voice, slots: Sequence[int]) -> dict[int, list[SpokenFrame]]:
    """Steps all slots to their ends; each leaves the batch when it is done."""
    frames: dict[int, list[SpokenFrame]] = {slot: [] for slot in slots}
    speaking = list(slots)
    while speaking:
        assert all(voice.ready(slot) for slot in speaking)
        for frame in voice.step(speaking):
            frames[frame.slot].append(frame)
        speaking = [slot for slot in speaking if not frames[slot][-1].last]
    return frames


def samples_of(frames: list[SpokenFrame]) -> NDArray[np.float32]:
    return np.concatenate([frame.samples for frame in frames])


def words_of(frames: list[SpokenFrame]) -> list[WordTiming]:
    return [word for frame in frames for word in frame.words]


@pytest.fixture(scope="module")
def alone(voice: Voice) -> list[SpokenFrame]:
    begin(voice, 0, TEXT)
    return run(voice, [0])[0]


def test_words_cover_the_text_and_follow_one_another(alone: list[SpokenFrame]) -> None:
    words = words_of(alone)
    assert "".join(word.text for word in words) == TEXT
    assert [w.char_start for w in words] == [0, *(w.char_end for w in words[:-1])]
    assert all(word.start_s < word.end_s for word in words)
    assert all(a.end_s <= b.start_s for a, b in pairwise(words))
    assert words[-1].end_s < len(samples_of(alone)) / Voice.sample_rate_hz


def test_a_word_is_timed_before_it_is_heard(alone: list[SpokenFrame]) -> None:
    heard_s = 0.0
    for frame in alone:
        assert all(word.start_s >= heard_s for word in frame.words)
        heard_s += len(frame.samples) / Voice.sample_rate_hz


def test_frames_are_whole_between_the_edges(voice: Voice, alone: list[SpokenFrame]) -> None:
    sizes = [len(frame.samples) for frame in alone]
    assert sizes[0] == 0
    assert set(sizes[3:-FLUSH_STEPS]) == {voice.frame_samples}
    assert sum(sizes) % voice.frame_samples == 0
    assert [frame.last for frame in alone].index(True) == len(alone) - 1


def test_a_reply_begins_without_silence(voice: Voice) -> None:
    """What is waited for is the first sound that can be heard, not the first sample."""
    begin(voice, 0, "There are seven days in a week.")
    samples = samples_of(run(voice, [0])[0])
    soon = samples[: int(0.03 * Voice.sample_rate_hz)]
    assert np.abs(soon).max() > 0.01  # -40 dBFS


def test_sound_follows_the_words(alone: list[SpokenFrame]) -> None:
    """Loud inside words, quiet in the pause between the sentences."""
    samples, words = samples_of(alone), words_of(alone)

    def level(start_s: float, end_s: float) -> float:
        part = samples[int(start_s * Voice.sample_rate_hz) : int(end_s * Voice.sample_rate_hz)]
        return float(np.sqrt(np.mean(part**2)))

    spoken = level(words[0].start_s, words[1].end_s)
    pause = level(words[1].end_s + 0.06, words[2].start_s - 0.03)
    assert spoken > 0.02
    assert pause < spoken / 4
    assert np.abs(samples).max() <= 1.0


def test_others_joining_and_leaving_change_nothing(voice: Voice, alone: list[SpokenFrame]) -> None:
    begin(voice, 3, TEXT)
    frames, joined = [], 0
    while not frames or not frames[-1].last:
        step = len(frames)
        if step == 4:
            begin(voice, 1, OTHER)
        if step == 10:
            begin(voice, 0, OTHER)
        if step == 14:
            voice.stop(1)
        others = [slot for slot in (1, 0) if voice.ready(slot) and step >= 4]
        made = voice.step([*others, 3])
        joined = max(joined, len(made))
        for frame in made[:-1]:
            if frame.last:
                voice.stop(frame.slot)
        frames.append(made[-1])
    assert joined == 3
    assert words_of(frames) == words_of(alone)
    # The digits are the same, so the sound is, up to the order of additions in a batch.
    assert np.allclose(samples_of(frames), samples_of(alone), atol=1e-4)


def test_text_in_pieces_gives_the_same_speech(voice: Voice, alone: list[SpokenFrame]) -> None:
    voice.start(2)
    rest, frames, waited = TEXT, [], 0
    while not frames or not frames[-1].last:
        if voice.ready(2):
            frames += voice.step([2])
        elif rest:
            voice.write(2, rest[:3])
            rest = rest[3:]
            waited += 1
        else:
            voice.finish(2)
    assert waited > 3
    assert len(frames[0].samples) == 0
    assert words_of(frames) == words_of(alone)
    assert np.allclose(samples_of(frames), samples_of(alone), atol=1e-4)


def test_it_speaks_before_the_text_is_complete(voice: Voice) -> None:
    voice.start(0)
    voice.write(0, "The weather today is sunny and")
    assert voice.ready(0)
    steps = 0
    while voice.ready(0):
        voice.step([0])
        steps += 1
    assert 5 < steps < 40
    voice.stop(0)
    assert not voice.ready(0)


def test_it_is_heard_after_four_words(voice: Voice) -> None:
    """Each word more that it waited for would make every reply later."""
    voice.start(0)
    voice.write(0, "The best way to")
    heard = 0
    while voice.ready(0):
        (frame,) = voice.step([0])
        heard += len(frame.samples)
    voice.stop(0)
    assert heard > 0


def test_a_stopped_utterance_leaves_no_trace(voice: Voice, alone: list[SpokenFrame]) -> None:
    begin(voice, 0, OTHER)
    for _ in range(6):
        voice.step([0])
    begin(voice, 0, TEXT)
    assert np.array_equal(samples_of(run(voice, [0])[0]), samples_of(alone))


@pytest.mark.parametrize("text", ["", "  ", "😀 **"])
def test_nothing_to_say_ends_at_once(voice: Voice, text: str) -> None:
    begin(voice, 0, text)
    (frame,) = voice.step([0])
    assert frame.last
    assert len(frame.samples) == 0
    assert frame.words == ()


def test_it_is_understood(voice: Voice) -> None:
    judge = pytest.importorskip("voiceserver.bench.judge")
    text = "The sun is warm today, so we can walk in the park."
    begin(voice, 0, text)
    samples = samples_of(run(voice, [0])[0])
    heard = judge.transcribe(samples, voice.sample_rate_hz)
    assert judge.word_errors(text, heard).percent <= 20, heard
