from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.audio.echo import EchoTracker, ReferenceTape
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

Floats = NDArray[np.float32]

VOICE_RATE_HZ, FRAME_SAMPLES = 22_050, 1792
BEGIN = 4000  # where on the microphone's clock the reply begins to play
CHUNK = 1600
RUN_AHEAD = 6400


def at_16k(text: str, voice: int) -> Floats:
    return soxr.resample(speak(text, VOICES[voice]), RATE_HZ, 16_000).astype(np.float32)


@pytest.fixture(scope="module")
def reply() -> Floats:
    return at_16k("I live in Berlin, where I have a small garden with tomatoes and roses.", 1)


@pytest.fixture(scope="module")
def user() -> Floats:
    return at_16k("Wait a moment, I have another question.", 0)


def in_a_room(samples: Floats, delay_s: float, gain_db: float, length: int) -> Floats:
    """The reply as the microphone hears it: late, quieter, with a short reverberation."""
    generator = np.random.default_rng(5)
    room = generator.normal(size=1600) * np.exp(-np.arange(1600) / 250.0)
    room[0] = 3.0
    heard = np.convolve(samples, room / np.sqrt(np.square(room).sum()))
    out = np.zeros(length, np.float32)
    start = BEGIN + int(delay_s * 16_000)
    heard = heard[: length - start]
    out[start : start + len(heard)] = heard * 10.0 ** (gain_db / 20.0)
    return out


def likeness(reply: Floats, microphone: Floats, asked: NDArray[np.bool_] | None = None) -> Floats:
    """Play the reply frame by frame as the engine does while the microphone runs: one a window.

    Windows that are not `asked` about are skipped, and taken as no echo.
    """
    tracker = EchoTracker(VOICE_RATE_HZ)
    frames = soxr.resample(reply, 16_000, VOICE_RATE_HZ).astype(np.float32)
    frame_16k = FRAME_SAMPLES * 16_000 / VOICE_RATE_HZ
    found: list[float] = []
    sent = analysed = 0
    for now in range(0, len(microphone), CHUNK):
        while sent * FRAME_SAMPLES < len(frames):
            plays_at = BEGIN + sent * frame_16k
            if max(BEGIN, plays_at - RUN_AHEAD) > now:
                break
            frame = frames[sent * FRAME_SAMPLES : (sent + 1) * FRAME_SAMPLES]
            tracker.played(frame, now, max(0.0, plays_at - now) / 16_000)
            sent += 1
        while analysed + 512 <= min(now + CHUNK, len(microphone)):
            window = microphone[analysed : analysed + 512]
            analysed += 512
            if asked is None or asked[analysed // 512 - 1]:
                found.append(tracker.likeness(analysed, window))
            else:
                tracker.skip(analysed, window)
                found.append(0.0)
    return np.array(found, np.float32)


def loud(samples: Floats, threshold: float) -> NDArray[np.bool_]:
    """Windows in which a signal is really there."""
    windows = samples[: len(samples) // 512 * 512].reshape(-1, 512)
    return np.sqrt(np.square(windows).mean(axis=1)) > threshold


@pytest.mark.parametrize(("delay_s", "gain_db"), [(0.05, -20.0), (0.4, -20.0), (0.9, -12.0)])
def test_our_own_voice_is_known(reply: Floats, delay_s: float, gain_db: float) -> None:
    length = len(reply) + 24_000
    echo = in_a_room(reply, delay_s, gain_db, length)
    noise = np.random.default_rng(1).normal(scale=5e-4, size=length).astype(np.float32)
    found = likeness(reply, echo + noise)[loud(echo, 2e-3)]
    assert np.median(found) > 0.7
    assert (found[6:] < 0.5).mean() < 0.1


def test_windows_passed_over_are_remembered_when_one_is_asked_about(reply: Floats) -> None:
    length = len(reply) + 24_000
    echo = in_a_room(reply, 0.4, -20.0, length)
    voiced = loud(echo, 2e-3)
    always, lazily = likeness(reply, echo), likeness(reply, echo, voiced)
    assert np.median(lazily[voiced]) > 0.7
    assert (np.abs(lazily - always)[voiced] < 0.2).mean() > 0.9


def test_our_first_words_are_known_at_once_in_a_noisy_room(reply: Floats) -> None:
    length = len(reply) + 24_000
    echo = in_a_room(reply, 0.25, -20.0, length)
    noise = np.random.default_rng(1).normal(scale=5e-3, size=length).astype(np.float32)
    first = np.flatnonzero(loud(echo, 4e-3))[2:8]  # before energies say anything
    assert np.median(likeness(reply, echo + noise)[first]) > 0.7


def test_what_rings_on_in_a_room_is_ours(reply: Floats) -> None:
    length = len(reply) + 24_000
    stop = 512 * int(np.flatnonzero(loud(reply[:32_000], 0.05))[-1])  # in the middle of a word
    cut = np.concatenate([reply[:stop], np.zeros(len(reply) - stop, np.float32)])
    t = np.arange(8000) / 16_000
    hall = np.random.default_rng(6).normal(size=len(t)) * 10 ** (-3 * t / 0.5)
    hall[0] = 8.0
    echo = np.zeros(length, np.float32)
    echo[BEGIN : BEGIN + stop + 7999] = 0.03 * np.convolve(cut[:stop], hall)
    rings = (BEGIN + stop) // 512 + np.arange(4, 6)
    assert loud(echo, 1e-3)[rings].all()
    assert likeness(cut, echo)[rings].mean() > 0.5


@pytest.mark.parametrize("user_at_s", [1.0, 2.5])
def test_a_user_over_our_own_voice_is_not_us(reply: Floats, user: Floats, user_at_s: float) -> None:
    length = len(reply) + 24_000
    speech = np.zeros(length, np.float32)
    start = int(user_at_s * 16_000)
    speech[start : start + len(user)] = user[: length - start]
    found = likeness(reply, in_a_room(reply, 0.2, -20.0, length) + speech)[loud(speech, 0.02)]
    assert np.median(found) < 0.2
    assert (found < 0.5).mean() > 0.9


def test_a_user_with_headphones_is_not_us(reply: Floats, user: Floats) -> None:
    length = len(reply) + 24_000
    speech = np.zeros(length, np.float32)
    speech[16_000 : 16_000 + len(user)] = user
    assert np.quantile(likeness(reply, speech)[loud(speech, 0.02)], 0.9) < 0.3


def test_without_a_reply_nothing_is_echo(user: Floats) -> None:
    tracker = EchoTracker(VOICE_RATE_HZ)
    windows = user[: len(user) // 512 * 512].reshape(-1, 512)
    found = [tracker.likeness((i + 1) * 512, window) for i, window in enumerate(windows)]
    assert max(found) == 0.0


def test_the_tape_is_silent_where_nothing_was_played() -> None:
    tape = ReferenceTape()
    tape.write(np.ones(100, np.float32), 50_000)
    tape.write(np.full(100, 2.0, np.float32), 90_000)
    assert tape.read(49_990, 50_110).sum() == 100.0
    assert tape.read(89_990, 90_110).sum() == 200.0
    assert tape.read(50_100, 90_000).sum() == 0.0


def test_a_new_reply_overwrites_what_was_not_heard_of_the_old() -> None:
    tape = ReferenceTape()
    tape.write(np.ones(8000, np.float32), 10_000)
    tape.write(np.full(10, 2.0, np.float32), 11_000)
    assert tape.read(10_000, 11_000).sum() == 1000.0
    assert tape.read(11_000, 20_000).sum() == 20.0


def test_what_was_played_can_be_read_beside_each_window_until_it_is_hushed() -> None:
    tracker = EchoTracker(16_000)
    sound = np.arange(1, 2049, dtype=np.float32)
    tracker.played(sound, 9728, 0.032)  # begins with the window [10240, 10752)
    assert not tracker.spoken(10_240).any()
    assert np.array_equal(tracker.spoken(10_752), sound[:512])
    tracker.hushed(11_008)
    assert np.array_equal(tracker.spoken(11_264)[:256], sound[512:768])
    assert not tracker.spoken(11_264)[256:].any()
    assert not tracker.spoken(11_776).any()


def test_what_was_held_back_is_read_beside_later_windows() -> None:
    tracker = EchoTracker(16_000)
    sound = np.arange(1, 4097, dtype=np.float32)
    tracker.played(sound[:2048], 10_240, 0.0)
    tracker.held_back(14_336, 3072)  # silent since 11264
    tracker.played(sound[2048:], 12_288, 0.001)  # its maker knows nothing of that
    assert np.array_equal(tracker.spoken(11_264), sound[512:1024])
    for end in range(11_776, 14_337, 512):
        assert not tracker.spoken(end).any()
    heard = [tracker.spoken(end) for end in range(14_848, 14_848 + 6 * 512, 512)]
    assert np.array_equal(np.concatenate(heard), sound[1024:4096])


def test_a_gap_is_no_jitter_when_sound_begins_anew() -> None:
    tracker = EchoTracker(16_000)
    ones = np.ones(512, np.float32)
    tracker.played(ones, 5120, 0.0)
    tracker.played(ones, 6144, 0.0)  # made too late: the loudspeaker waited for it
    assert [tracker.spoken(end).mean() for end in (5632, 6144, 6656)] == [1.0, 0.0, 1.0]
    tracker.played(ones, 6500, 0.02)  # 164 samples of jitter
    assert tracker.spoken(7168).all()


@pytest.mark.parametrize("told", [True, False])
def test_echo_is_known_at_once_when_a_reply_goes_on_after_it_was_held_back(
    reply: Floats, told: bool
) -> None:
    held, at = 19_200, 32_000  # 1.2 s: more than any delay that is searched
    length = len(reply) + held
    heard = np.concatenate([reply[:at], np.zeros(held, np.float32), reply[at:]])
    echo = in_a_room(heard, 0.1, -20.0, length)
    tracker = EchoTracker(16_000)
    tracker.played(reply, 0, 0.0)
    found = []
    for end in range(512, min(length, at + held + 16_000), 512):
        if told and end == (at + held) // 512 * 512:
            tracker.held_back(at + held, held)
        found.append(tracker.likeness(end, echo[end - 512 : end]))
    after = np.array(found)[(at + held) // 512 :]
    voiced = loud(echo, 2e-3)[(at + held) // 512 :][: len(after)]
    assert (np.median(after[voiced]) > 0.5) == told
