from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.config import policy_folder
from voiceserver.engine.family import Heard, Transcript, TurnScore, Window
from voiceserver.engine.listening.microphones import BACKLOG_SAMPLES, WINDOWS_PER_CALL
from voiceserver.engine.nano.listener import Listener
from voiceserver.engine.nano.recogniser import Read
from voiceserver.nn import judges
from voiceserver.scenes.kokoro import RATE_HZ, speak

SECOND = 16_000


@pytest.fixture(scope="module")
def listener_and_bell() -> Iterator[tuple[Listener, threading.Semaphore]]:
    files, bell = resolve("nano", quiet=True), threading.Semaphore(0)
    made = Listener(files["vad"], files["turn_end"], files["listener"], 3, bell.release)
    yield made, bell
    made.end()


@pytest.fixture
def listener(listener_and_bell: tuple[Listener, threading.Semaphore]) -> Iterator[Listener]:
    listener = listener_and_bell[0]
    for slot in range(3):
        listener.open(slot, 22_050)
    yield listener
    for slot in range(3):
        listener.close(slot)


@pytest.fixture(scope="module")
def question() -> bytes:
    speech = soxr.resample(speak("What is the capital of France?"), RATE_HZ, SECOND)
    samples: NDArray[np.int16] = (np.pad(speech, (8000, 8000)) * 32767).astype("<i2")
    return samples.tobytes()


def listen_through(listener: Listener) -> list[Heard]:
    heard = listener.listen()
    while listener.pending():
        heard += listener.listen()
    return heard


def windows(heard: list[Heard], slot: int) -> list[Window]:
    return [h for h in heard if isinstance(h, Window) and h.slot == slot]


@pytest.mark.parametrize("chunk_bytes", [2, 320, 1026, 7000])
def test_how_audio_is_cut_changes_nothing(
    listener: Listener, question: bytes, chunk_bytes: int
) -> None:
    listener.hear(0, question)
    whole = windows(listen_through(listener), 0)
    heard: list[Heard] = []
    for begin in range(0, len(question), chunk_bytes):
        listener.hear(1, question[begin : begin + chunk_bytes])
        if begin % (64 * chunk_bytes) == 0:
            heard += listener.listen()
    pieces = windows(heard + listen_through(listener), 1)
    assert [w.end_sample for w in pieces] == [w.end_sample for w in whole]
    assert [w.end_sample for w in whole] == list(range(512, len(question) // 2 + 1, 512))
    np.testing.assert_allclose(
        [w.probability for w in pieces], [w.probability for w in whole], atol=1e-4
    )


def test_a_flood_keeps_nobody_waiting_and_loses_its_oldest(
    listener: Listener, question: bytes
) -> None:
    flood = np.zeros(BACKLOG_SAMPLES + 10 * SECOND, "<i2").tobytes()
    listener.hear(0, flood)
    listener.hear(1, question[: WINDOWS_PER_CALL * 1024])
    heard = listener.listen()
    assert len(windows(heard, 0)) == WINDOWS_PER_CALL  # bounded, and no more than the other
    assert len(windows(heard, 1)) == WINDOWS_PER_CALL
    assert windows(heard, 0)[0].end_sample == 10 * SECOND + 512


def test_words_and_end_of_turn_come_back_through_listen(
    listener_and_bell: tuple[Listener, threading.Semaphore], listener: Listener, question: bytes
) -> None:
    bell = listener_and_bell[1]
    listener.hear(2, question)
    listener.recognise(2, 5, 0, len(question) // 2, final=True)
    listener.predict_turn_end(2, 6, 0, len(question) // 2)
    heard: list[Heard] = []
    while len(heard) < 2:
        assert bell.acquire(timeout=60)
        heard += [h for h in listen_through(listener) if not isinstance(h, Window)]
    transcript = next(h for h in heard if isinstance(h, Transcript))
    score = next(h for h in heard if isinstance(h, TurnScore))
    assert (transcript.slot, transcript.request_id) == (2, 5)
    assert "capital of france" in transcript.text.lower()
    assert (score.slot, score.request_id) == (2, 6)
    assert score.probability > 0.5


def test_what_was_read_is_the_draft_for_more_from_the_same_sample(
    listener_and_bell: tuple[Listener, threading.Semaphore],
    listener: Listener,
    question: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drafts: list[tuple[int, ...]] = []

    def read(samples: NDArray[np.float32], draft: tuple[int, ...]) -> Read:
        drafts.append(draft)
        return Read("", (len(samples),))

    def ask(begin: int, end: int) -> None:
        listener.recognise(0, 1, begin, end, final=True)
        assert listener_and_bell[1].acquire(timeout=60)
        listen_through(listener)

    monkeypatch.setattr(listener._recogniser, "read", read)
    listener.hear(0, question)
    ask(0, 8000)
    ask(0, 9000)
    ask(100, 9000)
    listener.close(0)
    listener.open(0, 22_050)
    listener.hear(0, question)
    ask(100, 9000)
    assert drafts == [(), (8000,), (), ()]


def test_a_look_is_skipped_when_others_wait(
    listener_and_bell: tuple[Listener, threading.Semaphore],
    listener: Listener,
    question: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, gate = threading.Event(), threading.Event()

    def read(samples: NDArray[np.float32], draft: object) -> Read:
        began.set()
        assert gate.wait(60)
        return Read(str(len(samples)), ())

    monkeypatch.setattr(listener._recogniser, "read", read)
    for slot in range(3):
        listener.hear(slot, question)
    listener.recognise(0, 1, 0, 1000, final=True)
    assert began.wait(60)
    listener.recognise(1, 2, 0, 2000, final=False)  # nobody waits yet
    listener.recognise(2, 3, 0, 3000, final=False)
    listener.recognise(2, 4, 0, 4000, final=True)
    gate.set()
    for _ in range(3):
        assert listener_and_bell[1].acquire(timeout=60)
    heard = [h for h in listen_through(listener) if isinstance(h, Transcript)]
    assert [h.request_id for h in heard] == [1, 4, 2]


def test_a_judge_does_not_wait_for_a_reading(
    listener_and_bell: tuple[Listener, threading.Semaphore],
    listener: Listener,
    question: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell, judged = listener_and_bell[1], threading.Event()

    def read_once_judged(samples: NDArray[np.float32], draft: object) -> Read:
        return Read(f"{len(samples)} samples" if judged.wait(60) else "waited in vain", ())

    monkeypatch.setattr(listener, "turn_end", judges.load(judges.TURN_END, policy_folder()))
    monkeypatch.setattr(listener._recogniser, "read", read_once_judged)
    listener.hear(1, question)
    listener.recognise(1, 1, 0, SECOND, final=True)
    listener.predict_turn_end(1, 2, 0, len(question) // 2)
    heard: list[Heard] = []
    while len(heard) < 2:
        assert bell.acquire(timeout=60)
        heard += [h for h in listen_through(listener) if not isinstance(h, Window)]
        judged.set()
    assert isinstance(heard[0], TurnScore)
    assert heard[0].probability > 0.5
    assert heard[1] == Transcript(1, 1, "16000 samples")


def test_a_reopened_slot_begins_at_sample_zero(listener: Listener, question: bytes) -> None:
    listener.hear(0, question)
    first = windows(listen_through(listener), 0)
    listener.close(0)
    listener.open(0, 22_050)
    listener.hear(0, question)
    assert windows(listen_through(listener), 0) == first
