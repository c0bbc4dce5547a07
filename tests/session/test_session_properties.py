"""Whatever happens in whatever order, a session keeps its promises."""

from __future__ import annotations

from forecast_kit import SIGNS, activity
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from watched_session import WatchedSession

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine import messages as m
from voiceserver.engine.tools import ToolCall
from voiceserver.session.items import Item, Part
from voiceserver.session.settings import SessionSettings, TurnSettings

FRAME_SAMPLES = 1792
MODES = [
    TurnSettings(),
    TurnSettings(interrupt_response=False, silence_duration_ms=100),
    TurnSettings(create_response=False),
    TurnSettings(idle_timeout_ms=1000),
    TurnSettings(kind="semantic_vad", eagerness="high"),
    None,
]


class Conversing(WatchedSession):
    """A client, an engine and a session, all events in any order."""

    # --- the engine ------------------------------------------------------------------------------

    @precondition(lambda self: self.connected)
    @rule(voiced=st.booleans(), windows=st.integers(1, 25), echo=st.sampled_from([0.0, 0.0, 0.9]))
    def audio(self, voiced: bool, windows: int, echo: float) -> None:
        for _ in range(windows):
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            level, probability = (-20.0, 0.9) if voiced else (-80.0, 0.01)
            activity = m.SpeechActivity("s", self.listened, probability, level, echo)
            self.session.engine_said(activity, self.now_s)
        self.take()

    @precondition(lambda self: self.connected)
    @rule(
        picture=st.text(st.sampled_from(sorted(SIGNS)), min_size=1, max_size=12),
        times=st.integers(1, 4),
    )
    def foreseen(self, picture: str, times: int) -> None:
        """Windows with forecasts, in all orders."""
        for sign in picture * times:
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            self.session.engine_said(activity(sign, self.listened), self.now_s)
            self.take()

    @precondition(lambda self: self.reminders)
    @rule()
    def reminded(self) -> None:
        self.now_s = max(self.now_s, self.reminders.pop(0))
        self.session.reminded(self.now_s)
        self.take()

    @precondition(lambda self: self.asked)
    @rule(
        text=st.sampled_from(["", "hello", "how are you"]),
        failed=st.booleans(),
        newest=st.booleans(),
    )
    def recognised(self, text: str, failed: bool, newest: bool) -> None:
        asked = self.asked.pop(-1 if newest else 0)
        answer = m.Recognised("s", asked.request_id, "" if failed else text, failed)
        self.session.engine_said(answer, self.now_s)
        self.take()

    @precondition(lambda self: self.judging)
    @rule(probability=st.sampled_from([0.1, 0.9]))
    def judged(self, probability: float) -> None:
        asked = self.judging.pop(0)
        self.session.engine_said(m.TurnEnd("s", asked.request_id, probability), self.now_s)
        self.take()

    @precondition(lambda self: self.responds)
    @rule(
        back=st.integers(0, 3),
        kind=st.sampled_from(["text", "audio", "audio", "end", "call", "fail"]),
    )
    def replies(self, back: int, kind: str) -> None:
        """Output of any reply ever asked for: of an ended one it is late, and must vanish."""
        r = self.responds[-1 - back % len(self.responds)]
        if r.response_id in self.ended:
            return  # an engine that has said its last word of it says no more
        stale = r.epoch <= self.cancelled_epoch or self.done[r.response_id] > 0
        address = (r.session_id, r.epoch, r.response_id)
        before = sum(self.sent_text.values()), sum(self.done.values())
        match kind:
            case "text":
                self.session.engine_said(m.TextDelta(*address, "word "), self.now_s)
            case "audio":
                word = m.WordTiming("word", 0, 4, 0.0, 0.3)
                made = self.made[r.response_id]
                frame = len(made).to_bytes(2, "little") * FRAME_SAMPLES
                made.append(frame)
                audio = m.AudioDelta(*address, frame, (word,))
                self.session.engine_said(audio, self.now_s)
            case _:
                reason = m.EndReason.FAILED if kind == "fail" else m.EndReason.COMPLETED
                calls = (ToolCall("k", "look", "{}"),) if kind == "call" else ()
                self.ended.add(r.response_id)
                ended = m.ResponseEnded(*address, reason, 1, 2, 3, calls=calls)
                self.session.engine_said(ended, self.now_s)
        self.take()
        if stale:
            assert (sum(self.sent_text.values()), sum(self.done.values())) == before

    @precondition(lambda self: self.connected)
    @rule()
    def engine_dies(self) -> None:
        self.connected = False
        self.session.engine_lost(self.now_s)
        self.take()
        assert not self.active()
        self.asked.clear()
        self.judging.clear()
        self.responds.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def engine_is_back(self) -> None:
        self.connected, self.listened = True, 0
        self.session.engine_back()
        self.take()

    # --- the client ------------------------------------------------------------------------------

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(turns=st.sampled_from(MODES), speak=st.booleans())
    def configure(self, turns: TurnSettings | None, speak: bool) -> None:
        self.session.configure(SessionSettings(turns=turns, speak=speak))
        self.take()

    @rule()
    def commit(self) -> None:
        self.try_request(lambda: self.session.commit(self.now_s))

    @rule()
    def clear(self) -> None:
        self.try_request(self.session.clear)

    @rule(item_id=st.sampled_from(["a", "b", "c"]), after=st.sampled_from([None, "root", "a", "z"]))
    def create_item(self, item_id: str, after: str | None) -> None:
        item = Item(item_id, role="user", parts=(Part("input_text", "hi"),))
        known = item_id in self.session.conversation
        self.try_request(lambda: self.session.create_item(item, after))
        if not known:
            self.added[item_id] = min(self.added[item_id], 1)  # a deleted id may come again

    @rule(item_id=st.sampled_from(["r", "q"]))
    def give_result(self, item_id: str) -> None:
        result = Item(item_id, "function_call_output", call_id="k", output="42")
        known = item_id in self.session.conversation
        self.try_request(lambda: self.session.create_item(result, None))
        if not known:
            self.added[item_id] = min(self.added[item_id], 1)

    @rule(place=st.integers(0, 9))
    def delete_item(self, place: int) -> None:
        if items := self.session.conversation.items():
            item_id = items[place % len(items)].item_id
            self.try_request(lambda: self.session.delete_item(item_id))

    @rule(place=st.integers(0, 9), end_ms=st.integers(0, 3000))
    def truncate(self, place: int, end_ms: int) -> None:
        if items := self.session.conversation.items():
            item_id = items[place % len(items)].item_id
            self.try_request(lambda: self.session.truncate_item(item_id, 0, end_ms, self.now_s))

    @rule()
    def create_response(self) -> None:
        options = self.session.settings.reply_options()
        if self.connected:
            self.try_request(lambda: self.session.create_response(options, self.now_s))

    @rule()
    def cancel_response(self) -> None:
        self.try_request(lambda: self.session.cancel_response(None, self.now_s))


class Hearing(Conversing):
    """The same with an engine that answers to the user's voice itself."""

    engine_hears = True


Conversing.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestConversing = Conversing.TestCase
Hearing.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestHearing = Hearing.TestCase
