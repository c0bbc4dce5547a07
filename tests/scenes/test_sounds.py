"""Noises and channels."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.channels import (
    EchoPath,
    convolved,
    draw_conditions,
    draw_echo,
    room,
    telephoned,
)
from voiceserver.scenes.noises import babble, bed, bed_kinds, noise, noise_kinds


@pytest.mark.parametrize("kind", noise_kinds("held_out"))
def test_short_noises_are_short_loud_and_of_their_seed(kind: str) -> None:
    made = [noise(np.random.default_rng(seed), kind) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert len(made[0]) != len(made[2]) or np.abs(made[0] - made[2]).max() > 0.1
    for seed in range(20):
        sound = noise(np.random.default_rng(seed), kind)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() == pytest.approx(1.0)
        assert 0.01 < len(sound) / LISTEN_RATE_HZ < 4.0


def test_some_noises_are_held_out() -> None:
    assert set(noise_kinds("held_out")) - set(noise_kinds("training")) == {"sneeze", "dishes"}
    assert set(bed_kinds("held_out")) - set(bed_kinds("training")) == {"rain"}


@pytest.mark.parametrize("kind", bed_kinds("held_out"))
def test_beds_last(kind: str) -> None:
    sound = bed(np.random.default_rng(0), kind, LISTEN_RATE_HZ)
    assert len(sound) == LISTEN_RATE_HZ
    seconds = np.square(sound.reshape(4, -1)).mean(axis=1)
    assert seconds.min() > 0


def test_babble_is_as_long_as_wished() -> None:
    talkers = [np.full(n, 0.3, np.float32) for n in (100, 700, 5000)]
    for samples in (50, 1600, 20000):
        assert len(babble(np.random.default_rng(0), talkers, samples)) == samples


def _burst(samples: int = 8000, at: int = 3000) -> np.ndarray:
    sound = np.zeros(samples, np.float32)
    sound[at : at + 800] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(800) / LISTEN_RATE_HZ)
    return sound


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_telephone_moves_nothing_and_keeps_its_band(law: str) -> None:
    sound = _burst()
    heard = telephoned(sound, law)
    assert len(heard) == len(sound)
    lag = int(np.correlate(heard, sound, "full").argmax()) - (len(sound) - 1)
    assert abs(lag) <= 1
    t = np.arange(LISTEN_RATE_HZ) / LISTEN_RATE_HZ
    for hz, passes in ((100, False), (1000, True), (6000, False)):
        tone = (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)
        middle = telephoned(tone, law)[4000:12000]
        assert (float(np.sqrt(np.mean(np.square(middle)))) > 0.1) == passes


def test_a_room_answers_after_the_direct_sound() -> None:
    impulse = room(np.random.default_rng(0), direct_db=10.0)
    assert impulse[0] == 1.0
    late = float(np.square(impulse[1:]).sum())
    assert 10 * np.log10(1.0 / late) == pytest.approx(10.0, abs=0.5)
    heard = convolved(_burst(), impulse)
    assert not np.abs(heard[:2999]).max() > 1e-6
    assert np.abs(heard[3001:3100]).max() > 0.1


def test_convolution_is_numpys() -> None:
    random = np.random.default_rng(0)
    sound, impulse = random.standard_normal(700), random.standard_normal(90)
    found = convolved(sound.astype(np.float32), impulse.astype(np.float32))
    np.testing.assert_allclose(found, np.convolve(sound, impulse), atol=1e-4)


def test_an_echo_is_late_and_as_soft_as_wished() -> None:
    path = EchoPath(0.1, np.array([0.25], np.float32))
    heard = path.of(_burst())
    np.testing.assert_allclose(heard[4600:5400], 0.25 * _burst()[3000:3800], atol=1e-6)
    assert not np.abs(heard[:4600]).max() > 1e-6
    for seed in range(5):
        drawn = draw_echo(np.random.default_rng(seed), -20.0, -20.0)
        assert float(np.square(drawn.impulse).sum()) == pytest.approx(0.01, rel=0.01)


def test_conditions_differ_and_repeat() -> None:
    drawn = [draw_conditions(np.random.default_rng(seed), "training") for seed in range(60)]
    assert len({c.telephone for c in drawn}) == 3
    assert 10 < sum(c.echo is not None for c in drawn) < 50
    assert not {c.bed for c in drawn} & {"rain"}
    again = draw_conditions(np.random.default_rng(7), "training")
    np.testing.assert_array_equal(again.far, drawn[7].far)
    tone = drawn[0].ambience(np.random.default_rng(0), 4000)
    assert len(tone) == 4000
