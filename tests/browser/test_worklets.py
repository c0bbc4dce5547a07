"""The arithmetic under the page's sound, run in the browser: resampler, jitter buffer, base64."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scripted_server import ScriptedServer

RESAMPLE = """async ([fromHz, toHz, samples, chunk]) => {
  const { Resampler } = await import("/js/worklets/resampler.js");
  const resampler = new Resampler(fromHz, toHz);
  const input = Float32Array.from(samples);
  const output = [];
  for (let i = 0; i < input.length; i += chunk) {
    output.push(...resampler.push(input.slice(i, i + chunk)));
  }
  output.push(...resampler.flush());
  return output;
}"""

# A jitter buffer at 1000 Hz, so that samples are milliseconds; each step is [what, ...arguments].
PLAYOUT = """async (steps) => {
  const { Playout } = await import("/js/worklets/playout.js");
  const playout = new Playout(1000, { primeMs: 120, fadeMs: 8 });
  const answers = [];
  for (const [what, ...args] of steps) {
    if (what === "push") playout.push(args[0], new Float32Array(args[1]).fill(0.5));
    if (what === "end") playout.end(args[0]);
    if (what === "flush") answers.push(playout.flush());
    if (what === "render") {
      const output = new Float32Array(args[0]);
      const told = playout.render(output);
      answers.push({ ...told, output: Array.from(output), underruns: playout.underruns });
    }
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, scripted: ScriptedServer) -> Iterator[Page]:
    """One page for all: nothing here changes it."""
    page = browser.new_page()
    page.goto(scripted.url)
    yield page
    page.close()


def _sine(hz: float, rate_hz: int, seconds: float = 0.25) -> np.ndarray:
    return np.sin(2 * math.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def _resample(page: Page, from_hz: int, to_hz: int, samples: np.ndarray, chunk: int) -> np.ndarray:
    return np.array(page.evaluate(RESAMPLE, [from_hz, to_hz, samples.tolist(), chunk]))


@pytest.mark.parametrize(
    ("from_hz", "to_hz"),
    [(48_000, 24_000), (44_100, 24_000), (24_000, 48_000), (24_000, 44_100), (16_000, 24_000)],
)
def test_a_tone_keeps_its_pitch_loudness_and_place(page: Page, from_hz: int, to_hz: int) -> None:
    got = _resample(page, from_hz, to_hz, _sine(1000, from_hz), 128)
    want = _sine(1000, to_hz)
    assert len(got) == len(want)
    middle = slice(len(want) // 4, -len(want) // 4)
    assert np.abs(got[middle] - want[middle]).max() < 1e-3


def test_tones_the_wire_cannot_carry_are_removed_not_folded(page: Page) -> None:
    got = _resample(page, 48_000, 24_000, _sine(15_000, 48_000), 128)
    assert np.abs(got[500:-500]).max() < 1e-3  # -60 dB


@pytest.mark.parametrize("chunk", [1, 7, 128, 1000])
def test_resampling_in_chunks_equals_resampling_whole(page: Page, chunk: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 2000)
    whole = _resample(page, 44_100, 24_000, noise, 2000)
    assert np.array_equal(_resample(page, 44_100, 24_000, noise, chunk), whole)


def test_base64_carries_every_sample_both_ways(page: Page) -> None:
    samples = [0, 1, -1, 32767, -32768, 12345] * 3000  # more than is turned into text at once
    assert page.evaluate(
        """async (samples) => {
          const { encodeBase64, decodeBase64 } = await import("/js/pcm.js");
          const back = decodeBase64(encodeBase64(Int16Array.from(samples)));
          return back.length === samples.length && back.every((s, i) => s === samples[i]);
        }""",
        samples,
    )


def test_playing_waits_for_a_cushion(page: Page) -> None:
    early, later = page.evaluate(
        PLAYOUT, [["push", "a", 100], ["render", 50], ["push", "a", 20], ["render", 50]]
    )
    assert early["started"] == []
    assert not any(early["output"])
    assert later["started"] == ["a"]
    assert later["output"][20] == 0.5


def test_a_short_complete_item_does_not_wait(page: Page) -> None:
    (told,) = page.evaluate(PLAYOUT, [["push", "a", 40], ["end", "a"], ["render", 100]])
    assert told["started"] == ["a"]
    assert told["finished"] == ["a"]
    assert told["underruns"] == 0


def test_running_dry_gives_silence_and_a_larger_cushion(page: Page) -> None:
    dry, waiting, again = page.evaluate(
        PLAYOUT,
        [
            ["push", "a", 120],
            ["render", 150],
            ["push", "a", 170],
            ["render", 20],
            ["push", "a", 20],
            ["render", 60],
        ],
    )
    assert dry["underruns"] == 1
    assert dry["output"][-1] == 0
    assert not any(waiting["output"]), "170 ms would have done at first, now it takes 180"
    assert again["output"][30] == 0.5
    assert again["started"] == [], "it is still the same item"


def test_the_next_item_begins_with_the_small_cushion_again(page: Page) -> None:
    *_, told = page.evaluate(
        PLAYOUT,
        [
            ["push", "a", 120],
            ["render", 150],
            ["end", "a"],
            ["render", 10],
            ["push", "b", 120],
            ["render", 10],
        ],
    )
    assert told["started"] == ["b"]


def test_flush_counts_what_was_heard_and_does_not_click(page: Page) -> None:
    before, flushed, after = page.evaluate(
        PLAYOUT, [["push", "a", 500], ["render", 200], ["flush"], ["render", 50]]
    )
    assert flushed == {"itemId": "a", "playedSamples": 208, "droppedSamples": 292}
    sound = np.array(before["output"] + after["output"])
    assert np.abs(np.diff(sound)).max() <= 0.5 / 8 + 1e-6, "no step larger than the fade's"
    assert not any(after["output"][8:])


def test_flushing_what_has_not_begun_counts_nothing(page: Page) -> None:
    (flushed,) = page.evaluate(PLAYOUT, [["push", "a", 50], ["flush"]])
    assert flushed == {"itemId": "a", "playedSamples": 0, "droppedSamples": 50}


def test_one_item_follows_another_without_a_gap(page: Page) -> None:
    (told,) = page.evaluate(
        PLAYOUT,
        [["push", "a", 130], ["end", "a"], ["push", "b", 130], ["end", "b"], ["render", 300]],
    )
    assert told["started"] == ["a", "b"]
    assert told["finished"] == ["a", "b"]
    assert told["output"][130] == 0.5
