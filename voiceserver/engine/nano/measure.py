"""What each part of `nano` costs: `python -m voiceserver.engine.nano.measure` prints it.

Times are CPU milliseconds of the thread that works, so a busy machine distorts them less; the last
line is one JSON object.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from voiceserver.threads import prepare_threads

prepare_threads()

import numpy as np  # noqa: E402
import soxr  # noqa: E402
import torch  # noqa: E402

from voiceserver.audio.echo import EchoTracker  # noqa: E402
from voiceserver.audio.turn_end import TurnEndPredictor  # noqa: E402
from voiceserver.audio.vad import VoiceActivity  # noqa: E402
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES  # noqa: E402
from voiceserver.engine.__main__ import nano_files  # noqa: E402
from voiceserver.engine.family import Samples, Task  # noqa: E402
from voiceserver.engine.messages import ChatMessage  # noqa: E402
from voiceserver.engine.nano.model import NanoFiles  # noqa: E402
from voiceserver.engine.nano.recogniser import Recogniser  # noqa: E402
from voiceserver.engine.nano.thinker import SmolThinker  # noqa: E402
from voiceserver.engine.nano.voice import SpokenFrame, Voice  # noqa: E402

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it sleeps in the warm sun."
QUESTION = "What should I bring with me when I go to the mountains next weekend with a friend?"
WORDS_PER_TOKEN = 0.75


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU time of this thread for one call."""
    begin_s = time.thread_time()
    work()
    return 1000.0 * (time.thread_time() - begin_s)


def median_ms(work: Callable[[], object], times: int) -> float:
    """The median of several calls, after one that does not count."""
    work()
    return median(cpu_ms(work) for _ in range(times))


def process_ms(work: Callable[[], object], times: int) -> float:
    """The same for work that a library does on a thread of its own; nothing else may run."""
    work()
    begin_s = time.process_time()
    for _ in range(times):
        work()
    return 1000.0 * (time.process_time() - begin_s) / times


def measure(files: NanoFiles) -> dict[str, float]:
    """Every part, by name, and the share of a core that one speaking session takes."""
    torch.set_num_threads(1)
    voice = Voice.load(files.voice, 4)
    assert files.thinker is not None, "asked for with its own thinker"
    thinker = SmolThinker.load(files.thinker, files.converted, 4)
    talking = _talking(voice)
    thinking = _thinking(thinker)
    tokens_per_s = len(SENTENCE.split()) / WORDS_PER_TOKEN / talking["sentence_s"]
    share = talking["voice_share"] + thinking["token_1_ms"] * tokens_per_s / 1000.0
    speech = _resampled(voice, _speak(voice, [0])[0])
    return {**_listening(files, speech), **thinking, **talking, "speaking_share": share}


def _listening(files: NanoFiles, speech: Samples) -> dict[str, float]:
    vad, turn_end = VoiceActivity(files.vad, 1), TurnEndPredictor(files.turn_end)
    recogniser, echo = Recogniser(files.listener), EchoTracker(LISTEN_RATE_HZ)
    window = speech[8000 : 8000 + VAD_WINDOW_SAMPLES]
    echo.played(speech, 0, 0.0)
    costs = {
        "vad_window_ms": median_ms(lambda: vad.step([0], window[None]), 200),
        "echo_window_ms": median_ms(lambda: echo.likeness(LISTEN_RATE_HZ, window), 200),
        "turn_end_ms": median_ms(lambda: turn_end.probability(speech), 7),
    }
    for seconds in (1, 3, 6):
        utterance = np.resize(speech, seconds * LISTEN_RATE_HZ)
        listen = partial(recogniser.read, utterance)
        costs[f"recognise_{seconds}s_ms"] = process_ms(listen, 5)
        earlier = recogniser.read(utterance[: -LISTEN_RATE_HZ // 2]).tokens
        listen = partial(recogniser.read, utterance, earlier)
        costs[f"recognise_{seconds}s_again_ms"] = process_ms(listen, 5)
    return costs


def _thinking(thinker: SmolThinker) -> dict[str, float]:
    """Reading a new question after the system message, and writing for one to four sessions."""
    task = Task((ChatMessage("user", QUESTION),), True, max_tokens=400, temperature=0.7, seed=1)
    costs: dict[str, float] = {}
    for sessions in (1, 2, 4):
        slots = list(range(sessions))
        for slot in slots:
            thinker.begin(slot, task)
            reading = cpu_ms(partial(_read, thinker, slot))
        costs["prefill_question_ms"] = reading
        steps = [cpu_ms(partial(thinker.step, slots)) for _ in range(8)]
        costs[f"token_{sessions}_ms"] = median(steps)
        for slot in slots:
            thinker.stop(slot)
            thinker.forget(slot)
    return costs


def _read(thinker: SmolThinker, slot: int) -> None:
    """Step one slot until its first token is written."""
    while not thinker.step([slot]):
        continue


def _talking(voice: Voice) -> dict[str, float]:
    costs: dict[str, float] = {}
    for sessions in (1, 2, 4):
        slots = list(range(sessions))
        steps: list[float] = []
        frames = _speak(voice, slots, steps)
        seconds = sum(len(f.samples) for f in frames[0]) / voice.sample_rate_hz
        costs[f"voice_step_{sessions}_ms"] = median(steps)
        if sessions == 1:
            costs["sentence_s"] = seconds
            costs["voice_share"] = sum(steps) / 1000.0 / seconds
    return costs


def _speak(
    voice: Voice, slots: list[int], steps_ms: list[float] | None = None
) -> list[list[SpokenFrame]]:
    """The sentence in every slot: frames by slot, and what each step cost."""
    spoken: list[list[SpokenFrame]] = [[] for _ in slots]
    for slot in slots:
        voice.start(slot)
        voice.write(slot, SENTENCE)
        voice.finish(slot)
    while not spoken[0] or not spoken[0][-1].last:
        begin_s = time.thread_time()
        frames = voice.step(slots)
        if steps_ms is not None:
            steps_ms.append(1000.0 * (time.thread_time() - begin_s))
        for slot, frame in zip(slots, frames, strict=True):
            spoken[slot].append(frame)
    return spoken


def _resampled(voice: Voice, frames: list[SpokenFrame]) -> Samples:
    """Our own voice at the rate we listen at: something to recognise."""
    samples = np.concatenate([frame.samples for frame in frames])
    resampled: Samples = soxr.resample(samples, voice.sample_rate_hz, LISTEN_RATE_HZ)
    return resampled.astype(np.float32)


def main() -> None:
    """Print a table, then one JSON object."""
    costs = measure(nano_files())
    for name, value in costs.items():
        print(f"{name:24s}{value:10.3f}")
    print(json.dumps({name: round(value, 3) for name, value in costs.items()}))


if __name__ == "__main__":
    main()
