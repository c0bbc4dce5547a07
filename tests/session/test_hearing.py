"""When an utterance under way is looked at, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from forecast_kit import RATE_HZ, SEMANTIC, Call

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.listening.hearing import EARLY_SAMPLES, Hearing

START, ONSET = 1600, 6400


@dataclass
class Speaking:
    """An utterance that goes on, window by window, and what is asked about it."""

    hearing: Hearing = field(default_factory=lambda: Hearing("item", START, ONSET, 30.0))
    now: int = ONSET
    asked: list[tuple[int, int, bool]] = field(default_factory=list)

    def ask(self, start_sample: int, end_sample: int, final: bool) -> int:
        self.asked.append((start_sample, end_sample, final))
        return len(self.asked)

    def speak(self, seconds: float, *, answered: bool = True) -> None:
        for _ in range(round(seconds * LISTEN_RATE_HZ / VAD_WINDOW_SAMPLES)):
            self.now += VAD_WINDOW_SAMPLES
            before = len(self.asked)
            self.hearing.look(self.now, EARLY_SAMPLES, self.ask)
            if answered and len(self.asked) > before:
                assert self.hearing.answered(len(self.asked), "so far", False, self.ask)

    @property
    def looks_s(self) -> list[float]:
        """How much had been said at each look."""
        looks = [end for _, end, final in self.asked if not final]
        return [round((end - ONSET) / LISTEN_RATE_HZ, 1) for end in looks]


def test_speech_is_looked_at_about_every_half_second() -> None:
    speaking = Speaking()
    speaking.speak(2.5)
    assert speaking.looks_s == [0.6, 1.1, 1.6, 2.1]
    assert {start for start, _, _ in speaking.asked} == {START}


def test_a_long_turn_is_looked_at_less_often() -> None:
    speaking = Speaking()
    speaking.speak(4.0)
    few = len(speaking.asked)
    speaking.now += 12 * LISTEN_RATE_HZ
    speaking.speak(4.0)
    assert len(speaking.asked) - few == 2


def test_a_look_is_waited_for_but_not_for_ever() -> None:
    speaking = Speaking()
    speaking.speak(2.0, answered=False)
    assert speaking.looks_s == [0.6]
    speaking.speak(0.4, answered=False)
    assert speaking.looks_s == [0.6, 2.1]


def test_in_a_pause_nobody_looks() -> None:
    speaking = Speaking()
    speaking.speak(1.0)
    speaking.hearing.want(speaking.now, speaking.ask)
    looks = speaking.looks_s
    speaking.speak(1.0)
    assert speaking.hearing.answered(len(speaking.asked), "all", False, speaking.ask) is None
    speaking.speak(1.0)
    assert speaking.looks_s == looks
    speaking.hearing.resumed()
    speaking.speak(0.1)
    assert len(speaking.looks_s) == len(looks) + 1


def early(call: Call) -> list[m.Recognise]:
    return [asked for asked in call.told(m.Recognise) if not asked.final]


def test_what_a_look_tells_is_for_the_thinker_and_for_who_asks_to_see_it() -> None:
    for wanted in (False, True):
        call = Call(replace(SEMANTIC))
        call.session.engine_ready(RATE_HZ, hears_audio=False, reads_ahead=True)
        call.session.ears.show_interim = wanted
        call.hear("." * 10 + "#" * 24)
        [look] = early(call)
        call.say(m.Recognised("s", look.request_id, "And where do"))
        assert [[message.text for message in a.dialogue] for a in call.told(m.ReadAhead)][-1] == [
            "And where do"
        ]
        assert [shown.text for shown in call.noticed(n.Interim)] == ["And where do"] * wanted
        assert not call.told(m.Respond)


def test_an_engine_that_hears_is_asked_only_for_who_wants_to_see() -> None:
    for wanted in (False, True):
        call = Call(replace(SEMANTIC))
        call.session.engine_ready(RATE_HZ, hears_audio=True)
        call.session.ears.show_interim = wanted
        call.hear("." * 10 + "#" * 60)
        assert bool(early(call)) == wanted
