"""`bench dialogue`: two of a sync_llm talk to each other; what turns they take.

Each hears the other's units one chunk late, as in the paper's appendix C. With recordings in two
channels each begins from the first seconds of one, and the events of what they make of it are
compared with those of what was really said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from voiceserver.audio.vad import VoiceActivity
from voiceserver.bench.report import Report
from voiceserver.bench.sync_llm.turn_events import KINDS, Events, correlations, events_of, spoken
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.family import Samples
from voiceserver.engine.sampling import Sampling
from voiceserver.engine.sync_llm.checkpoint import Checkpoint
from voiceserver.engine.sync_llm.context import Context
from voiceserver.engine.sync_llm.steps import Steps
from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES, Units, cut, units_per_chunk

Channels = tuple[Samples, Samples]  # at 16 kHz


@dataclass(frozen=True)
class Plan:
    """How long they listen and talk."""

    prompt_s: float = 30.0  # of a recording
    talk_s: float = 90.0
    seed: int = 0


def converse(
    checkpoint: Checkpoint, chunks: int, seed: int, prompts: tuple[list[int], list[int]] = ([], [])
) -> tuple[list[int], list[int]]:
    """Units of both for so many chunks, after these units of both."""
    count = units_per_chunk(checkpoint.settings.chunk_ms)
    vocabulary, backbone = checkpoint.vocabulary, checkpoint.backbone
    positions = min(checkpoint.settings.positions, backbone.shape.positions)
    steps = Steps(backbone, vocabulary, 2, positions)
    silence = int(checkpoint.units(torch.zeros(1, 50 * UNIT_SAMPLES))[0, -1])
    front = [] if backbone.shape.bos is None else [backbone.shape.bos]
    heard = [cut(units, count) for units in prompts]
    for slot in (0, 1):
        context = Context(vocabulary, count, positions, front, silence, number=0)
        context.prime(heard[slot], heard[1 - slot])
        steps.open(slot, context, Sampling(checkpoint.settings.temperature, seed * 2 + slot))
    said: tuple[list[int], list[int]] = ([], [])
    for _ in range(chunks):
        made = _step(steps)
        for slot in (0, 1):
            said[slot].extend(made[slot])
    return said


def _step(steps: Steps) -> dict[int, Units]:
    """Both hear what the other said in the chunk that has passed, and go on."""
    one, other = steps.contexts[0], steps.contexts[1]
    passed = one.last - 1
    one.heard(passed, other.own(passed))
    other.heard(passed, one.own(passed))
    return steps.step([0, 1])


def sound_of(checkpoint: Checkpoint, units: Sequence[int]) -> Samples:
    """The whole at once: nobody waits for it."""
    made: Samples = checkpoint.vocoder(torch.tensor([list(units)]))[0].cpu().numpy()
    return made


def recordings(folder: Path, plan: Plan) -> list[tuple[str, Channels]]:
    """Recordings in two channels at 16 kHz that are long enough."""
    found: list[tuple[str, Channels]] = []
    for path in sorted(folder.glob("*.wav")):
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        if sound.shape[1] != 2 or rate_hz != LISTEN_RATE_HZ:
            raise AssetError(
                f"{path} has {sound.shape[1]} channels at {rate_hz} Hz, not 2 at 16000"
            )
        if len(sound) >= (plan.prompt_s + plan.talk_s) * LISTEN_RATE_HZ:
            found.append((path.stem, (sound[:, 0], sound[:, 1])))
    if not found:
        raise AssetError(f"{folder} has no .wav of {plan.prompt_s + plan.talk_s:g} s")
    return found


def run(
    checkpoint: Checkpoint,
    vad: Path,
    plan: Plan,
    dialogues: Path | None,
    out: Path | None,
    what: str,
    told: Callable[[str], None],
) -> Report:
    """Let them talk, once or after each recording."""
    activity = VoiceActivity(vad, 1)
    chunks = round(plan.talk_s * 1000 / checkpoint.settings.chunk_ms)
    made: list[Events] = []
    truth: list[Events] = []
    for name, channels in [("free", None)] if dialogues is None else recordings(dialogues, plan):
        told(f"{name}: {plan.talk_s:g} s")
        prompts: tuple[list[int], list[int]] = ([], [])
        if channels is not None:
            end = round(plan.prompt_s * LISTEN_RATE_HZ)
            prompts = (_units(checkpoint, channels[0][:end]), _units(checkpoint, channels[1][:end]))
            rest = slice(end, end + round(plan.talk_s * LISTEN_RATE_HZ))
            truth.append(events_of(*(spoken(activity, channel[rest]) for channel in channels)))
        said = converse(checkpoint, chunks, plan.seed, prompts)
        sounds = [sound_of(checkpoint, units) for units in said]
        made.append(events_of(*(spoken(activity, sound) for sound in sounds)))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            soundfile.write(out / f"{name}.wav", np.stack(sounds, 1), LISTEN_RATE_HZ)
    return report(made, truth, checkpoint.settings.chunk_ms, what)


def _units(checkpoint: Checkpoint, sound: Samples) -> list[int]:
    """Of a whole channel, as in training: with all that comes after."""
    whole = sound[: len(sound) - len(sound) % UNIT_SAMPLES]
    units: list[int] = checkpoint.units(torch.from_numpy(whole.copy())[None])[0].tolist()
    return units


def report(made: Sequence[Events], truth: Sequence[Events], chunk_ms: int, what: str) -> Report:
    """Durations, and correlations where there is a truth."""
    found = Report(
        title="dialogue",
        what="two of the model talk to each other, each hearing the other one chunk late",
        headings=("event", "count", "mean s", "true mean s", "correlation"),
        card={"weights": what, "chunk": f"{chunk_ms} ms", "dialogues": str(len(made))},
    )
    related = correlations(made, truth) if truth else dict.fromkeys((*KINDS, "avg"))
    for kind in KINDS:
        durations = [d for events in made for d in getattr(events, kind)]
        true = [d for events in truth for d in getattr(events, kind)]
        mean_s, true_s = (round(float(np.mean(d)), 3) if d else None for d in (durations, true))
        found.rows.append((kind, len(durations), mean_s, true_s, related[kind]))
        found.numbers[kind] = {"count": len(durations), "mean_s": mean_s, "true_mean_s": true_s}
    found.numbers["correlation"] = dict(related)
    return found
