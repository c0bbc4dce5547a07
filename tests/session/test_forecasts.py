"""Turns, interruptions and doubt with a scripted policy."""

from __future__ import annotations

import pytest
from forecast_kit import FRAME_S, SEMANTIC, Call

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.settings import TurnSettings
from voiceserver.session.speaker import MOST_DOUBT_S


def speaking(turns: TurnSettings = SEMANTIC) -> Call:
    """A call whose assistant has been begun to speak; twelve frames have come."""
    call = Call(turns)
    call.speak_turn()
    call.reply(12)
    call.hear("." * 8)
    return call


def frames(call: Call) -> list[bytes]:
    return [audio.pcm16 for audio in call.said]


# --- ends of turns --------------------------------------------------------------------------------


def test_a_turn_ends_when_the_user_yields_and_not_in_a_pause() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "-" * 30 + "#" * 10)
    assert not call.noticed(n.SpeechStopped)
    call.hear("y" * 6)
    assert len(call.noticed(n.SpeechStopped)) == 1


@pytest.mark.parametrize(("complete", "ends"), [(0.95, True), (None, False), (0.05, False)])
def test_what_was_said_moves_a_forecast_that_is_unsure(complete: float | None, ends: bool) -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "u" * 3)
    [asked] = call.told(m.PredictTurnEnd)
    if complete is not None:
        call.say(m.TurnEnd("s", asked.request_id, complete))
    call.hear("u" * 10)
    assert bool(call.noticed(n.SpeechStopped)) == ends
    assert len(call.told(m.PredictTurnEnd)) == 1, "once in a pause"


def test_what_was_said_before_a_pause_that_was_no_end_says_nothing_of_the_next() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "---")
    call.say(m.TurnEnd("s", call.told(m.PredictTurnEnd)[-1].request_id, 0.95))
    call.hear("-" * 5 + "#" * 10 + "u" * 12)
    assert not call.noticed(n.SpeechStopped)
    assert len(call.told(m.PredictTurnEnd)) == 2


def test_eagerness_says_how_sure_the_policy_must_be() -> None:
    ended = {}
    for eagerness in ("low", "high"):
        call = Call(TurnSettings(kind="semantic_vad", eagerness=eagerness))
        call.hear("." * 5 + "#" * 20 + "-" * 75)
        ended[eagerness] = bool(call.noticed(n.SpeechStopped))
    assert ended == {"low": False, "high": True}, "of 2.4 s of pause"


def test_one_window_that_yields_is_no_end() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "--y--y--y---")
    assert not call.noticed(n.SpeechStopped)


def test_a_server_vad_session_waits_for_the_silence_it_asked_for() -> None:
    call = Call(TurnSettings(silence_duration_ms=500))
    call.hear("." * 10 + "#" * 20 + "y" * 14)
    assert not call.noticed(n.SpeechStopped)
    call.hear("--")
    assert len(call.noticed(n.SpeechStopped)) == 1


def test_what_is_not_for_us_begins_no_turn() -> None:
    call = Call()
    call.hear("." * 10 + "n" * 60 + "." * 10)
    assert not call.noticed(n.SpeechStarted)
    call.hear("####")
    assert len(call.noticed(n.SpeechStarted)) == 1


# --- interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize(("judge", "stops"), [(None, True), (0.5, True), (0.2, False)])
def test_a_sure_forecast_needs_a_judge_who_does_not_object(
    judge: float | None, stops: bool
) -> None:
    call = speaking()
    call.judge = judge
    call.hear("i" * 14)
    assert bool(call.noticed(n.ReplyDone)) == stops


def test_an_interruption_begins_a_turn_and_then_ends_the_reply() -> None:
    call = speaking()
    call.hear("i" * 13)
    [started] = call.noticed(n.SpeechStarted)[1:]
    [done] = call.noticed(n.ReplyDone)
    assert (done.reply.status, done.reply.reason) == ("cancelled", "turn_detected")
    assert call.effects.index(started) < call.effects.index(done)


@pytest.mark.parametrize("sound", ["b" * 12, "n" * 40, "b" * 3 + "." * 10 + "n" * 4])
def test_what_is_no_interruption_changes_nothing(sound: str) -> None:
    call = speaking()
    call.hear(sound)
    call.reply(3)
    call.hear("." * 20)
    assert len(call.noticed(n.SpeechStarted)) == 1
    assert call.passed_on() == frames(call)
    assert not call.noticed(n.ReplyDone)


def test_in_doubt_nothing_is_passed_on_and_nothing_is_lost_when_it_was_nothing() -> None:
    call = speaking()
    call.judge = 0.001
    call.hear("dd")
    before = call.passed_on()
    call.reply(4)
    assert call.passed_on() == before
    call.hear("b" * 9)
    assert call.passed_on() == frames(call)
    call.reply(2)
    call.end_reply()
    assert call.passed_on() == frames(call)
    [done] = call.noticed(n.ReplyDone)
    assert done.reply.status == "completed"
    assert len(call.noticed(n.SpeechStarted)) == 1


def test_the_engine_learns_how_long_its_voice_was_kept_back() -> None:
    call = speaking()
    call.hear("dd")
    unheard_s = call.session.speaker.playout.unheard_s(call.now_s)
    assert unheard_s < MOST_DOUBT_S
    call.pass_time(MOST_DOUBT_S)
    [held] = call.told(m.HeldBack)
    assert held.silent_s == pytest.approx(MOST_DOUBT_S - unheard_s, abs=0.05)


def test_a_doubt_that_becomes_an_interruption_drops_what_was_kept_back() -> None:
    call = speaking()
    call.hear("dd")
    before = call.passed_on()
    call.reply(4)
    call.hear("ii" + "#" * 10)
    assert call.passed_on() == before
    [done] = call.noticed(n.ReplyDone)
    assert done.reply.status == "cancelled"
    started = call.noticed(n.SpeechStarted)[-1]
    onset_ms = (call.listened - 14 * VAD_WINDOW_SAMPLES) // 16
    assert started.start_ms == pytest.approx(onset_ms - 300, abs=1), "from the first sound on"


@pytest.mark.parametrize(("sound", "interrupts"), [("d" * 40, False), ("l" * 40, True)])
def test_a_doubt_whose_words_are_not_read_ends_as_whatever_is_likelier(
    sound: str, interrupts: bool
) -> None:
    call = speaking()
    call.hear(sound)
    assert (len(call.noticed(n.SpeechStarted)) == 2) == interrupts
    call.reply(1)
    assert bool(call.noticed(n.ReplyDone)) == interrupts


def test_the_same_sound_is_doubted_once() -> None:
    call = speaking()
    call.hear("d" * 14)
    call.reply(20)
    call.hear("d" * 40)
    assert len(call.noticed(n.Remind)) == 1
    call.hear("." * 20 + "dd")
    assert len(call.noticed(n.Remind)) == 2


def test_a_reply_whose_end_was_kept_back_ends_once() -> None:
    call = speaking()
    call.hear("dd")
    call.reply(2)
    call.end_reply()
    assert not call.noticed(n.ReplyDone)
    call.hear("....")
    call.read("")
    assert len(call.noticed(n.ReplyDone)) == 1
    assert call.passed_on() == frames(call)


def test_a_doubt_without_further_audio_ends_by_itself() -> None:
    call = speaking()
    call.hear("dd")
    call.reply(2)
    [remind] = call.noticed(n.Remind)
    assert remind.in_s == MOST_DOUBT_S
    call.now_s += remind.in_s
    call.session.reminded(call.now_s)
    call.take()
    assert call.passed_on() == frames(call)


def test_an_engine_lost_in_doubt_ends_the_reply_and_the_doubt() -> None:
    call = speaking()
    call.hear("dd")
    before = call.passed_on()
    call.reply(2)
    call.session.engine_lost(call.now_s)
    call.take()
    [done] = call.noticed(n.ReplyDone)
    assert done.reply.status == "failed"
    call.session.engine_back()
    call.session.reminded(call.now_s + 1.0)
    call.take()
    assert call.passed_on() == before
    call.listened, call.now_s = 0, call.now_s + 2.0
    call.speak_turn()
    call.reply(2)
    assert len(call.passed_on()) == len(before) + 2


def test_in_doubt_the_clock_of_what_was_heard_stands_still_once_the_client_runs_dry() -> None:
    call = speaking()
    call.judge = 0.001
    call.hear("dd")
    call.reply(3)
    call.due_s.clear()  # no timer comes
    call.now_s += 1.2  # longer than all that was sent
    assert call.session.speaker.playout.heard_s(call.now_s) == pytest.approx(12 * FRAME_S)
    call.hear("b" * 9)
    assert call.session.speaker.playout.heard_s(call.now_s) == pytest.approx(12 * FRAME_S)
    assert call.session.speaker.playout.unheard_s(call.now_s) >= 3 * FRAME_S
    assert not any(audio.late for audio in call.noticed(n.ReplyAudio)), "it was no engine's delay"


def test_without_interruptions_nothing_is_kept_back() -> None:
    call = speaking(TurnSettings(kind="semantic_vad", interrupt_response=False))
    call.hear("dd")
    call.reply(3)
    assert call.passed_on() == frames(call)
