"""The other end of a WebRTC connection: its offer answered, a track each way, the data channel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from voiceserver.errors import ClientError
from voiceserver.gateway.webrtc.ear import hear_at_once
from voiceserver.gateway.webrtc.voice_track import VoiceTrack

log = logging.getLogger("voiceserver.gateway")

QUIET_S = 0.5  # without a packet: the sender has paused, or the network has
_MOST_BUFFERED_BYTES = 2**18  # in the data channel; the rest waits in the outbox


class PeerGone(Exception):
    """There is nobody to send to any more."""


class MessageTooLong(Exception):
    """The peer takes no messages of this length."""


class Peer:
    """One client's end."""

    def __init__(
        self,
        voice: VoiceTrack,
        take: Callable[[str | bytes], None],
        ice_servers: list[RTCIceServer],
    ) -> None:
        self.connected = asyncio.Event()
        self.over = asyncio.Event()
        self._voice = voice
        self._take = take
        self._channel: RTCDataChannel | None = None
        self._channel_open = asyncio.Event()
        self._channel_drained = asyncio.Event()
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        # An empty list, not none: aiortc would ask a server on the internet.
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=ice_servers))
        self._pc.on("track", self._has_track)
        self._pc.on("datachannel", self._has_channel)
        self._pc.on("connectionstatechange", self._state_changed)

    # --- set-up ------------------------------------------------------------------------------

    async def answer(self, offer: str) -> str:
        """The SDP answer, with all candidates; raises ClientError for an offer that is none."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._choose_tracks()
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except ClientError:
            raise
        except Exception as error:  # the library's parser says in many ways what is wrong
            log.info("an SDP offer could not be answered: %r", error)
            raise ClientError(
                "The SDP offer could not be understood.", code="invalid_offer", param="sdp"
            ) from error
        return str(self._pc.localDescription.sdp)

    def _choose_tracks(self) -> None:
        """One audio track each way; nothing else is taken."""
        transceivers = self._pc.getTransceivers()
        audio = next((t for t in transceivers if t.kind == "audio"), None)
        if audio is None:
            raise ClientError("The SDP offer has no audio.", code="invalid_offer", param="sdp")
        for other in transceivers:
            if other is not audio:
                other.direction = "inactive"
        hear_at_once(audio.receiver)
        audio.sender.replaceTrack(self._voice)
        audio.direction = "sendrecv"

    def _has_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and not self._track.done():
            self._track.set_result(track)

    def _has_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._channel_drained.set)  # at 0, if not told otherwise
        channel.on("close", self.over.set)
        self._channel_open.set()

    def _state_changed(self) -> None:
        if self._pc.connectionState == "connected":
            self.connected.set()
        elif self._pc.connectionState in ("failed", "closed"):
            self.over.set()

    # --- life --------------------------------------------------------------------------------

    async def frames(self) -> AsyncIterator[AudioFrame | None]:
        """The user's sound, decoded, until the track or the connection ends.

        None for each QUIET_S in which nothing came.
        """
        track = await self._track
        with contextlib.suppress(MediaStreamError):
            while True:
                try:
                    async with asyncio.timeout(QUIET_S):
                        frame = await track.recv()
                except TimeoutError:
                    yield None
                else:
                    assert isinstance(frame, AudioFrame), frame
                    yield frame

    async def send(self, text: str) -> None:
        """Send an event when there is a channel with room; raises PeerGone or MessageTooLong."""
        await self._channel_open.wait()
        assert self._channel is not None, "an open channel is a channel"
        if self._channel.bufferedAmount > _MOST_BUFFERED_BYTES:
            await self.drained()
        try:
            self._channel.send(text)
        except (InvalidStateError, ConnectionError) as error:
            raise PeerGone from error
        except ValueError as error:
            raise MessageTooLong from error

    async def drained(self) -> None:
        """Wait until everything sent is on its way."""
        if self._channel is not None and self._channel.bufferedAmount:
            self._channel_drained.clear()
            await self._channel_drained.wait()

    async def close(self) -> None:
        self._track.cancel()
        await self._pc.close()
