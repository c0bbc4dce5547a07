"""The turn detector, window by window."""

from __future__ import annotations

import pytest

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine.messages import SpeechActivity
from voiceserver.session.settings import TurnSettings
from voiceserver.session.turns.detector import TurnDetector
from voiceserver.session.turns.events import (
    AskTurnEnd,
    Began,
    Ended,
    Paused,
    Resumed,
    TurnEvent,
)


class Listening:
    """A detector fed by a picture, a sign a window.

    `#` voice, `w` a weak one, `.` none, `e` echo of ours, `h` a hushed voice, `q` one far away.
    """

    def __init__(self, settings: TurnSettings, *, assistant_audible: bool = False) -> None:
        self.detector = TurnDetector(settings)
        self.audible = assistant_audible
        self.windows = 0

    def hear(self, picture: str) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        for sign in picture:
            self.windows += 1
            window = SpeechActivity(
                session_id="s",
                end_sample=self.windows * VAD_WINDOW_SAMPLES,
                probability={".": 0.01, "w": 0.6}.get(sign, 0.95),
                level_dbfs={"#": -25.0, "w": -25.0, "e": -25.0, "h": -40.0}.get(sign, -60.0),
                echo_likeness=0.9 if sign == "e" else 0.0,
            )
            events += self.detector.hear(window, assistant_audible=self.audible)
        return events


def kinds(events: list[TurnEvent]) -> list[type[TurnEvent]]:
    return [type(event) for event in events]


SERVER = TurnSettings()
SEMANTIC = TurnSettings(kind="semantic_vad", eagerness="high")


def test_a_turn_begins_pauses_and_ends() -> None:
    listening = Listening(SERVER)
    events = listening.hear("." * 20 + "#" * 20 + "." * 20)
    assert kinds(events) == [Began, Paused, Ended]
    began, paused, ended = events
    assert isinstance(began, Began)
    assert began.onset_sample == 20 * VAD_WINDOW_SAMPLES
    assert began.start_sample == began.onset_sample - 4800  # 300 ms
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert paused.spoke_until_sample == ended.spoke_until_sample == 39 * VAD_WINDOW_SAMPLES
    assert paused.end_sample == 41 * VAD_WINDOW_SAMPLES  # 64 ms
    assert ended.end_sample == 55 * VAD_WINDOW_SAMPLES  # the first window past 500 ms


def test_the_silence_asked_for_is_waited_for() -> None:
    quick = Listening(TurnSettings(silence_duration_ms=200))
    slow = Listening(TurnSettings(silence_duration_ms=900))
    picture = "#" * 10 + "." * 20
    assert Ended in kinds(quick.hear(picture))
    assert Ended not in kinds(slow.hear(picture))


def test_a_pause_is_not_an_end_and_a_click_is_not_speech() -> None:
    listening = Listening(SERVER)
    assert kinds(listening.hear("##########....##")) == [Began, Paused, Resumed]
    assert kinds(listening.hear("." * 5 + "#" + "." * 20)) == [Paused, Ended]


def test_our_own_voice_that_ends_late_in_the_room_begins_no_turn() -> None:
    listening = Listening(SERVER)
    assert listening.hear("e" * 20) == []
    assert kinds(listening.hear("###")) == [Began]


def test_a_blip_begins_nothing() -> None:
    assert Listening(SERVER).hear("##.....##....#") == []


def test_padding_never_reaches_into_the_turn_before() -> None:
    listening = Listening(SERVER)
    first = listening.hear("#" * 10 + "." * 16)[-1]
    second = listening.hear("." + "#" * 5)[0]
    assert isinstance(first, Ended)
    assert isinstance(second, Began)
    assert second.start_sample == first.end_sample


@pytest.mark.parametrize(
    ("picture", "interrupts"),
    [
        ("####", True),  # 128 ms of a clear voice
        ("wwww", False),
        ("wwwww", True),  # 160 ms of a doubtful one
        ("###......", False),  # a cough is shorter
        ("###.##", True),  # a gap between syllables is forgiven
        ("e" * 40, False),  # our own voice in the microphone
        ("q" * 40, False),  # somebody in another room
    ],
)
def test_only_a_real_voice_interrupts(picture: str, interrupts: bool) -> None:
    events = Listening(SERVER, assistant_audible=True).hear("." * 10 + picture)
    assert (kinds(events) == [Began]) == interrupts


def test_a_quiet_user_is_known_by_then_and_may_interrupt() -> None:
    listening = Listening(SERVER)
    listening.hear("." * 5 + "h" * 60 + "." * 20)
    listening.audible = True
    assert kinds(listening.hear("." * 10 + "h" * 5)) == [Began]
    unknown = Listening(SERVER, assistant_audible=True)
    assert unknown.hear("." * 10 + "h" * 5) == []


def test_semantic_turns_ask_and_end_when_complete() -> None:
    listening = Listening(SEMANTIC)
    asked = listening.hear("#" * 20 + "." * 5)
    assert kinds(asked) == [Began, Paused, AskTurnEnd]
    question = asked[-1]
    assert isinstance(question, AskTurnEnd)
    assert listening.detector.judged(question.end_sample, 0.1, question.end_sample) == []
    again = listening.hear("." * 6)
    assert kinds(again) == [AskTurnEnd]
    assert isinstance(again[0], AskTurnEnd)
    [ended] = listening.detector.judged(again[0].end_sample, 0.9, again[0].end_sample)
    assert isinstance(ended, Ended)


def test_an_open_question_is_not_asked_again_and_a_late_answer_counts() -> None:
    listening = Listening(SEMANTIC)
    asked = listening.hear("#" * 20 + "." * 30)
    assert kinds(asked) == [Began, Paused, AskTurnEnd]
    assert isinstance(asked[-1], AskTurnEnd)
    assert kinds(listening.detector.judged(asked[-1].end_sample, 0.9, 99_999)) == [Ended]


def test_an_answer_about_an_earlier_pause_says_nothing() -> None:
    listening = Listening(SEMANTIC)
    question = listening.hear("#" * 20 + "." * 6)[-1]
    listening.hear("###")
    assert isinstance(question, AskTurnEnd)
    assert listening.detector.judged(question.end_sample, 0.99, 99_999) == []


def test_semantic_turns_end_after_the_longest_wait() -> None:
    listening = Listening(SEMANTIC)
    events = listening.hear("#" * 20 + "." * 63)  # 2 s at high eagerness
    assert kinds(events)[-1] is Ended


def test_a_turn_cannot_last_for_ever() -> None:
    assert kinds(Listening(SERVER).hear("#" * 9500)).count(Ended) == 1
