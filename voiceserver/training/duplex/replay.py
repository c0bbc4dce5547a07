"""What a session's rule for ends of turns does in calls whose pauses and ends are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.nn.duplex import DuplexPolicy
from voiceserver.nn.judges import Judge
from voiceserver.session.settings import TurnSettings
from voiceserver.session.turns.evidence import TurnEvidence
from voiceserver.session.turns.forecast_detector import SHORTEST_PAUSE_SAMPLES, YIELDS_WINDOWS
from voiceserver.training.duplex.labels import YIELDS
from voiceserver.training.duplex.timelines import Call, Pause, Turn

Floats = NDArray[np.float32]
Complete = Callable[[str], float | None]  # how likely a turn ends behind a text's last word

JUDGED_AFTER: Final = 2  # windows after a pause was noticed: when the judge has answered
READ_AFTER: Final = 8  # when the text model has read the words
AUDIBLE_AFTER: Final = 11  # when an answer prepared in the pause can be heard
HEARD_TO_GO_ON: Final = 2  # windows of voice before a session knows that they go on
STILL_TURN_SAMPLES: Final = LISTEN_RATE_HZ // 4  # a voice is taken for over so much too early
SETTINGS: Final = TurnSettings(kind="semantic_vad")


@dataclass
class Replayed:
    """How a rule did."""

    with_pauses: int = 0  # turns
    taken: int = 0  # of them: an answer would have been heard in a pause
    delays_s: list[float] = field(default_factory=list)  # from the last word to the decision


def replayed(
    calls: Iterable[Call], policy: DuplexPolicy, judge: Judge, complete: Complete
) -> Replayed:
    """Every turn by the rule of `session.turn_evidence`."""
    result = Replayed()
    for call in calls:
        yields, sounds = _witnesses(call, policy, judge)
        for turn in call.turns:
            _replay(result, turn, yields, sounds[: len(turn.pauses)], complete)
            sounds = sounds[len(turn.pauses) :]
    return result


@torch.inference_mode()
def _witnesses(call: Call, policy: DuplexPolicy, judge: Judge) -> tuple[Floats, list[float]]:
    """The policy's P(yields) after each window, and the judge's answer in each pause."""
    features = torch.from_numpy(call.features.astype(np.float32))[None]
    user, _, _ = policy(features, policy.state(1))
    pooled = torch.from_numpy(call.pooled[:, 0].astype(np.float32))
    sounds: list[float] = judge.asked(pooled).tolist()
    return torch.softmax(user[0], -1)[:, YIELDS].numpy(), sounds


def _replay(
    result: Replayed, turn: Turn, yields: Floats, sounds: Sequence[float], complete: Complete
) -> None:
    early, over = False, turn.last_window
    for pause, sound in zip(turn.pauses, sounds, strict=True):
        at = decided(pause, yields[pause.noticed : turn.last_window], sound, complete(pause.text))
        if is_end(turn, pause):
            over = min(over, turn.last_window if at is None else at)
        elif at is not None:
            heard = max(at + 2, pause.noticed + AUDIBLE_AFTER)
            early |= heard <= pause.resumed - HEARD_TO_GO_ON
    result.with_pauses += bool(turn.silences)
    result.taken += early and bool(turn.silences)
    result.delays_s.append(((over + 1) * VAD_WINDOW_SAMPLES - turn.end) / LISTEN_RATE_HZ)


def is_end(turn: Turn, pause: Pause) -> bool:
    """Whether nothing more of the turn came after it."""
    went_on = pause.resumed <= turn.end // VAD_WINDOW_SAMPLES
    return pause.spoke_until >= turn.end - STILL_TURN_SAMPLES and not went_on


def decided(pause: Pause, yields: Floats, sound: float, complete: float | None) -> int | None:
    """The window after which the turn is taken for over; None: they went on before."""
    heard, sure = TurnEvidence(), 0
    for after, forecast in enumerate(yields[: pause.resumed - pause.noticed]):
        if after == JUDGED_AFTER:
            heard.sounds_complete = sound
        if after == READ_AFTER and complete is not None:
            heard.words_complete = complete
        window = pause.noticed + after
        pause_samples = (window + 1) * VAD_WINDOW_SAMPLES - pause.spoke_until
        over = heard.probability(float(forecast), pause_samples / LISTEN_RATE_HZ)
        sure = sure + 1 if over >= SETTINGS.yields_at else 0
        long_enough = pause_samples >= SHORTEST_PAUSE_SAMPLES
        waited = pause_samples * 1000 >= SETTINGS.forecast_max_wait_ms * LISTEN_RATE_HZ
        if (sure >= YIELDS_WINDOWS and long_enough) or waited:
            return window
    return None
