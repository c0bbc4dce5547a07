"""A call over SIP: the session of who has called, its signalling and its sound."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from voiceserver.errors import ClientError
from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone.paced import PacedLine
from voiceserver.gateway.phone.sip.dialog import place
from voiceserver.gateway.phone.sip.leg import Leg
from voiceserver.gateway.phone.sip.media import Media
from voiceserver.gateway.phone.sip.sdp import Description
from voiceserver.gateway.phone.sip.transfer import target_uri
from voiceserver.gateway.phone.telephone import Telephone
from voiceserver.gateway.services import Services
from voiceserver.gateway.wire_audio import AudioFormat

log = logging.getLogger("voiceserver.gateway")

SILENT_S = 60.0  # without a packet of the caller's: they are gone
INSTRUCTIONS = "x-instructions"  # a header by which the exchange says what the assistant is


class SipCall(PacedLine):
    """One caller."""

    always_sends = True  # so that the way through a NAT stays open, and recordings have no holes
    can_transfer = True

    def __init__(self, leg: Leg, media: Media, services: Services) -> None:
        super().__init__(services)
        self._leg, self._media = leg, media
        self._telephone = Telephone(self._session, AudioFormat.ULAW, self)
        if instructions := leg.invite.first(INSTRUCTIONS):
            text = instructions.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            settings = dataclasses.replace(self._session.settings, instructions=text)
            self._session.configure(settings)

    async def _open(self) -> None:
        if self._leg.over:  # cancelled while it was being let in
            self.hung_up()
        self._media.listen(self)

    async def _close(self, code: int, reason: str) -> None:
        self._telephone.keypad.close()
        self._leg.hang_up()

    async def _receive_all(self) -> None:
        """Sound and keys come by themselves; this only sees when none come any more."""
        left_s = SILENT_S
        while left_s > 0:
            await asyncio.sleep(left_s)
            quiet_s = 0.0 if self._media.held else self.now_s() - self._media.came_s
            left_s = SILENT_S - quiet_s
        self.end(CLOSE_NORMAL, "nothing comes from this caller any more")

    # --- from the caller ---------------------------------------------------------------------

    def heard(self, sound: bytes) -> None:
        with self._survived():
            self._telephone.hear(sound)

    def pressed(self, key: str) -> None:
        with self._survived():
            self._telephone.press(key)

    def changed(self, theirs: Description) -> None:
        """The caller holds the line, lets it go, or wants another coding."""
        self._media.agreed(theirs, self._leg.source[0])
        if theirs.coding is not self._telephone.coding:
            self.hush()
            self._telephone.recode(theirs.coding)

    def hung_up(self) -> None:
        self.end(CLOSE_NORMAL, "the call is over")

    # --- to the caller -----------------------------------------------------------------------

    async def _send_next(self) -> None:
        self._media.tick()
        if not self._media.held:
            await super()._send_next()

    async def _send_frame(self, frame: bytes) -> None:
        self._media.send(frame)

    async def transfer(self, target: str) -> None:
        uri = target_uri(target, place(self._leg.source))
        if uri is None:
            message = "A call is transferred to a number, a name or a SIP URI."
            raise ClientError(message, code="transfer_failed")
        status = await self._leg.refer(uri)
        if status >= 300:
            message = f"The call could not be transferred: the other side says {status}."
            raise ClientError(message, code="transfer_failed")
        self.hang_up()
