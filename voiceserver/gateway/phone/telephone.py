"""What every telephone protocol does with its session: sound both ways, keys, being interrupted.

The telephone network plays what it is sent; so it is the server that stops the sound when the
caller speaks or presses a key, and keeps count of what was played.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.polyphase import PolyphaseResampler
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.errors import ClientError
from voiceserver.gateway.codings import Coding
from voiceserver.gateway.line import Line, new_id
from voiceserver.gateway.phone.handovers import Handover
from voiceserver.gateway.phone.keypad import Keypad
from voiceserver.gateway.phone.phone_tools import PhoneTools
from voiceserver.session import notices as n
from voiceserver.session.call_tools import TRANSFER
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings, TurnSettings

log = logging.getLogger("voiceserver.gateway")

# A caller hears whether we are listening only by our answer: the model of turn ends decides.
CALL_SETTINGS = SessionSettings(turns=TurnSettings(kind="semantic_vad"))
NOBODY = "Nobody answered there; you are talking with the user again."


class Telephone:
    """One caller's sound and keys, towards and from the session."""

    def __init__(self, session: Session, coding: Coding, phone: PhoneLine) -> None:
        self.keypad = Keypad(self._entered)
        self._session = session
        self._phone = phone
        self.recode(coding)

    def recode(self, coding: Coding) -> None:
        """Sound comes and goes in this coding from now on."""
        self.coding = coding
        self._ear = PolyphaseResampler(coding.rate_hz, LISTEN_RATE_HZ)
        self._mouth: PolyphaseResampler | None = None  # of the reply being spoken

    # --- from the caller ---------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """More of the caller's voice; raises ClientError."""
        pcm16 = self._ear.process(self.coding.to_samples(data)).tobytes()
        self._session.audio(pcm16, self._phone.now_s())

    def press(self, key: str) -> None:
        """The caller pressed a key: the assistant stops speaking and waits for the others."""
        self._be_silent()
        self.keypad.press(key)

    def _be_silent(self) -> None:
        now_s = self._phone.now_s()
        self._session.speaker.hush(now_s)
        while self._session.speaker.active is not None:  # the end of one may begin another
            self._session.cancel_response(None, now_s)
        self._phone.hush()

    def _entered(self, keys: str) -> None:
        """An entry is complete: it is the caller's turn, like something typed."""
        self._be_silent()
        text = f"I pressed {keys} on my telephone."
        item = Item(new_id("item"), role="user", parts=(Part("input_text", text),))
        self._session.create_item(item, None)
        options = self._session.settings.reply_options()
        self._session.create_response(options, self._phone.now_s())
        self._phone.flush()

    # --- to the caller -----------------------------------------------------------------------

    def tell(self, notice: n.Effect) -> None:
        """What the caller gets to hear of a notice."""
        match notice:
            case n.ReplyCreated():
                self._mouth = None
            case n.ReplyAudio(reply, pcm16):
                if self._mouth is None:
                    rate_hz = self._session.speaker.voice_rate_hz
                    self._mouth = PolyphaseResampler(rate_hz, self.coding.rate_hz)
                self._play(reply, self._mouth.process(np.frombuffer(pcm16, "<i2")))
            case n.ReplyDone(reply):
                if reply.status == "cancelled":
                    self._phone.hush()
                elif self._mouth is not None:
                    self._play(reply, self._mouth.flush())
                self._mouth = None
            case n.SpeechStarted():
                self._phone.hush()

    def _play(self, reply: n.ReplyInfo, samples: NDArray[np.int16]) -> None:
        if len(samples):
            self._phone.play(reply, self.coding.to_bytes(samples))


class PhoneLine(Line):
    """A call. The transport adds how sound gets to the caller, and how it is stopped."""

    _telephone: Telephone
    _call_id: str | None = None  # by which the network asks what is to become of the call

    @cached_property
    def _tools(self) -> PhoneTools:
        return PhoneTools(self._session, self._services, self._flush)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._tools.close()

    def engine_ready(self) -> None:
        super().engine_ready()
        self._tools.offer(can_transfer=self.can_transfer)

    def _known_as(self, call_id: str) -> None:
        """The network knows the call by this id, and asks to whom it goes once we hang up."""
        self._call_id, self.can_transfer = call_id, True
        self._tools.offer(can_transfer=True)
        if (failed := self._services.handovers.end(call_id)) is not None:
            self._go_on(failed)
        self.flush()

    def _go_on(self, failed: Handover) -> None:
        """Nobody has taken the call: it is ours again, with all that was said."""
        settings = replace(self._session.settings, instructions=failed.instructions)
        self._session.configure(settings)
        for item in failed.items:  # the old call's clock means nothing here
            self._session.create_item(replace(item, start_sample=None, end_sample=None), None)
        self._session.call_control.failed(failed.asked, NOBODY, self.now_s())

    async def transfer(self, target: str) -> None:
        if self._call_id is None:
            await super().transfer(target)
            return
        items = [i for i in self._session.conversation.items() if not i.awaits_text]
        asked = next(item for item in reversed(items) if item.name == TRANSFER)
        instructions = self._session.settings.instructions
        handover = Handover(target, asked, tuple(items), instructions)
        self._services.handovers.begin(self._call_id, handover)
        self.hang_up()

    @abstractmethod
    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        """Queue more of a reply's sound."""

    @abstractmethod
    def hush(self) -> None:
        """Let nothing more be heard of what was queued."""

    def now_s(self) -> float:
        return self._services.clock.now_s()

    def flush(self) -> None:
        """Carry out what the session wants done."""
        self._flush()

    @contextmanager
    def _survived(self) -> Iterator[None]:
        """Whatever is wrong with a message, the session lives on; what follows from it is done."""
        try:
            yield
        except ClientError as error:
            self._fail(str(error), error.code)
        except Exception:
            log.exception("%s: a message of a call could not be carried out", self.session_id)
            self._fail("internal error", "internal_error", "server_error")
        self.flush()

    def _tell_client(self, notice: n.Effect) -> None:
        match notice:
            case n.RunTool(item):
                self._tools.run(item)
            case n.ToolProgress(item, "failed") if item.kind == "mcp_list_tools":
                why = "" if item.served.error is None else item.served.error.message
                self._fail(f"tools of {item.served.server_label}: {why}", "mcp_list_tools_failed")
            case _:
                self._telephone.tell(notice)

    def _fail(self, message: str, code: str, kind: str = "invalid_request_error") -> None:
        """A telephone has nobody to tell."""
        self._services.metrics.errors.labels(code).inc()
        log.info("%s: %s", self.session_id, message)
