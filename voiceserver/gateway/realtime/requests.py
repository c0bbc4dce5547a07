"""What each client event does to the session: where the protocol's requests meet it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from voiceserver.config import Limits
from voiceserver.errors import ClientError
from voiceserver.gateway.mcp.toolbox import Toolbox
from voiceserver.gateway.realtime import client_events as ce
from voiceserver.gateway.realtime.patches import ResponsePatch
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.realtime.wire_items import decode_base64, read_item
from voiceserver.gateway.told_once import Inflow
from voiceserver.gateway.wire_audio import InputAudio
from voiceserver.session import conversation
from voiceserver.session.items import Item
from voiceserver.session.session import Session
from voiceserver.session.settings import ReplyOptions

ClearOutput = Callable[[float], None]  # at this moment: nothing more of what was said is heard

_MOST_WAITING_BYTES = 16 * 2**20  # about nine minutes


class Requests:
    """Carries out one client's events."""

    def __init__(
        self,
        session: Session,
        settings: RealtimeSettings,
        limits: Limits,
        new_id: Callable[[str], str],
        shelf: AudioShelf,
        toolbox: Toolbox,
        clear_output: ClearOutput | None = None,
    ) -> None:
        """`clear_output` where sound travels beside the events, as over WebRTC."""
        self.settings = settings
        self.clips: dict[tuple[str, int], bytes] = {}  # (item id, part) -> audio to transcribe
        self._session = session
        self._limits = limits
        self._shelf = shelf
        self._new_id = new_id
        self._toolbox = toolbox
        self._clear_output = clear_output
        self._input = InputAudio(settings.input_format)
        self._inflow = Inflow(session.audio)

    def carry_out(self, event: ce.AnyClientEvent, now_s: float) -> bool:
        """Do what an event asks; return whether the settings changed. Raises ClientError."""
        session = self._session
        match event:
            case ce.AudioAppend(audio=audio):
                self._append(audio, now_s)
            case ce.SessionUpdate(session=patch):
                updated = self.settings.updated(patch)
                self._check_call_tools(updated)
                session.configure(updated.for_session(self._toolbox))
                self.settings = updated
                if patch.tools is not None:  # one that has failed is asked again when named again
                    self._toolbox.want(updated.tools, only=True)
                if self.settings.input_format is not self._input.format:
                    self._input = InputAudio(self.settings.input_format)
                return True
            case ce.AudioCommit():
                session.commit(now_s)
            case ce.AudioClear():
                session.clear()
            case ce.ItemCreate():
                self._create_item(event, now_s)
            case ce.ItemRetrieve(item_id=item_id):
                session.retrieve_item(item_id)
            case ce.ItemDelete(item_id=item_id):
                session.delete_item(item_id)
            case ce.ItemTruncate(item_id=item_id, content_index=index, audio_end_ms=end_ms):
                session.truncate_item(item_id, index, int(end_ms), now_s)
            case ce.ResponseCreate() if self.settings.transcribe_only:
                raise ClientError(
                    "A transcription session gives no responses.",
                    code="bad_response_create",
                    param="type",
                )
            case ce.ResponseCreate(response=response):
                session.create_response(self._reply_options(response), now_s)
            case ce.ResponseCancel(response_id=response_id):
                session.cancel_response(response_id, now_s)
            case ce.OutputClear():
                self._clear(now_s)
        return False

    def _clear(self, now_s: float) -> None:
        if self._clear_output is None:
            message = "What came over a WebSocket is the client's to clear; use response.cancel."
            raise ClientError(message, code="invalid_value", param="type")
        self._clear_output(now_s)

    def _append(self, audio: str, now_s: float) -> None:
        if self._clear_output is not None:
            message = "Over WebRTC the user's audio comes by its track, not inside events."
            raise ClientError(message, code="invalid_value", param="type")
        self.hear(self._input.decode(decode_base64(audio, "audio")), now_s)

    def hear(self, pcm16: bytes, now_s: float) -> None:
        """More of the user's audio, int16 at the listening rate."""
        if self._inflow.take(pcm16, now_s):
            self._shelf.hear(pcm16)

    def _check_call_tools(self, updated: RealtimeSettings) -> None:
        param = "session.voiceserver.call_tools"
        if updated.call_tools and not self._session.conversation.reads_calls:
            message = "This server's model calls no tools."
            raise ClientError(message, code="unsupported_value", param=param)
        taken = {tool.get("name") for tool in updated.tools} & set(updated.call_tools)
        if taken:
            message = f"A function of the session is called {taken.pop()}, too."
            raise ClientError(message, code="invalid_value", param=param)

    def servers_of(self, event: ce.ResponseCreate) -> list[dict[str, Any]]:
        """The servers of tools that a response has of its own."""
        response = event.response
        if response is None or response.tools is None or self.settings.transcribe_only:
            return []
        if response.conversation == "none":  # there nothing is called
            return []
        return [tool.as_given() for tool in response.tools if tool.type == "mcp"]

    def tools_changed(self) -> None:
        """A server has told its tools."""
        settings = self.settings.for_session(self._toolbox)
        self._session.offer(settings.tools, settings.served)

    def _create_item(self, event: ce.ItemCreate, now_s: float) -> None:
        read = read_item(event.item, self._new_id)
        self._check_images(read.item, "item")
        most_bytes = int(self._limits.backlog_s * self.settings.input_format.rate_hz) * 2
        decoded: dict[int, bytes] = {}
        for index, clip in read.clips.items():
            if len(clip) > most_bytes:
                raise ClientError(
                    f"Audio in an item may last at most {self._limits.backlog_s:g} s.",
                    code="invalid_value",
                    param=f"item.content.{index}.audio",
                )
            decoded[index] = InputAudio(self.settings.input_format).decode_whole(clip)
        waiting = sum(map(len, (*self.clips.values(), *decoded.values())))
        if decoded and waiting > _MOST_WAITING_BYTES:
            raise ClientError(
                "Too much audio inside items is waiting to be transcribed; wait for some of it.",
                code="item_audio_overflow",
                param="item.content",
            )
        self._session.create_item(read.item, event.previous_item_id, now_s)
        for index, sound in decoded.items():
            self.clips[read.item.item_id, index] = sound
            self._shelf.keep(read.item.item_id, sound)

    def _check_images(self, item: Item, where: str) -> None:
        """Images are only taken for a model that sees them, and not more than are kept."""
        if item.image_chars > conversation.MOST_IMAGE_CHARS:
            mib = conversation.MOST_IMAGE_CHARS * 3 // 4 // 2**20
            raise ClientError(
                f"The images of a message may have at most {mib} MiB together.",
                code="invalid_value",
                param=f"{where}.content",
            )
        if self._session.conversation.reads_images:
            return
        for index, part in enumerate(item.parts):
            if part.kind == "input_image":
                raise ClientError(
                    "This server's model takes no images (its operator says so with "
                    "--thinker-images, if the model behind --thinker does).",
                    code="unsupported_value",
                    param=f"{where}.content.{index}.type",
                )

    def _reply_options(self, patch: ResponsePatch | None) -> ReplyOptions:
        if patch is None:
            return self.settings.for_session(self._toolbox).reply_options()
        settings = self.settings.for_response(patch)
        out_of_band = patch.conversation == "none"  # nothing can follow from a call there
        if out_of_band:
            settings = replace(settings, call_tools=[])
        options = settings.for_session(None if out_of_band else self._toolbox).reply_options()
        if patch.input is not None:
            items = (self._input_item(body, i) for i, body in enumerate(patch.input))
            options = replace(options, input=tuple(items))
        return replace(
            options,
            metadata=patch.metadata,
            in_conversation=not out_of_band,
            sound=settings.sound,
        )

    def _input_item(self, body: dict[str, object], index: int) -> Item:
        """An item of response.create's own input: given whole, or by reference."""
        where = f"response.input.{index}"
        if body.get("type") != "item_reference":
            read = read_item(body, self._new_id, where)
            if read.clips:
                raise ClientError(
                    "Audio in response.input must come with its transcript; to have audio "
                    "transcribed, add it with conversation.item.create.",
                    code="invalid_value",
                    param=f"{where}.content",
                )
            self._check_images(read.item, where)
            return read.item
        item_id = body.get("id")
        item = self._session.conversation.get(item_id) if isinstance(item_id, str) else None
        if item is None:
            raise ClientError(
                f"The referenced item {str(item_id)[:100]!r} does not exist.",
                code="invalid_value",
                param=f"{where}.id",
            )
        return item
