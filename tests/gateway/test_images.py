"""Images in the conversation: shown to models that see, refused for those that do not."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_calls import Caller, Gateway, running_gateway

from voiceserver.engine.images import Image
from voiceserver.engine.messages import Respond
from voiceserver.gateway.realtime import wire_images
from voiceserver.session import conversation

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
HERE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
THERE = "https://example.com/cat.jpg"


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server whose model takes images."""
    with running_gateway(tmp_path_factory.mktemp("seeing") / "journal", images=True) as running:
        yield running


def message(*parts: dict[str, Any], **item: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(parts), **item}


def image(url: str | None = HERE, **fields: Any) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, **fields}


async def refused(caller: Caller, item: dict[str, Any]) -> dict[str, Any]:
    await caller.send("conversation.item.create", item=item)
    error: dict[str, Any] = (await caller.next())["error"]
    return error


async def test_images_are_read_with_their_message(seeing: Gateway) -> None:
    async with seeing.call() as caller:
        await caller.settings(output_modalities=["text"], instructions="")
        text = {"type": "input_text", "text": "What is this?"}
        item = message(text, image(detail="low"), image(THERE), id="shown")
        await caller.send("conversation.item.create", item=item)
        done = (await caller.until("conversation.item.done"))["item"]
        # What is long is not sent back unasked.
        assert done["content"][1:] == [
            {"type": "input_image", "detail": "low"},
            {"type": "input_image", "image_url": THERE},
        ]
        await caller.send("conversation.item.create", item=message(image(THERE)))
        await caller.until("conversation.item.done")
        await caller.send("response.create")
        await caller.until("response.done")
        [respond] = seeing.told(caller.session_id, Respond)
        first, second = respond.dialogue
        assert (first.text, first.images) == ("What is this?", (Image(HERE, "low"), Image(THERE)))
        assert (second.text, second.images) == ("", (Image(THERE),))
        await caller.send("conversation.item.retrieve", item_id="shown")
        retrieved = (await caller.until("conversation.item.retrieved"))["item"]
        assert retrieved["content"][1]["image_url"] == HERE


async def test_images_of_one_response_only(seeing: Gateway) -> None:
    async with seeing.call() as caller:
        await caller.settings(output_modalities=["text"], instructions="")
        options = {"input": [message(image())], "conversation": "none"}
        await caller.send("response.create", response=options)
        await caller.until("response.done")
        [respond] = seeing.told(caller.session_id, Respond)
        assert respond.dialogue[0].images == (Image(HERE),)


async def test_a_model_that_sees_nothing_is_shown_nothing(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        text = {"type": "input_text", "text": "Look."}
        error = await refused(caller, message(text, image()))
        assert (error["code"], error["param"]) == ("unsupported_value", "item.content.1.type")
        assert "--thinker-images" in error["message"]
        await caller.send("response.create", response={"input": [message(image())]})
        error = (await caller.next())["error"]
        assert error["param"] == "response.input.0.content.0.type"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (None, "Missing"),
        ("http://example.com/cat.jpg", "https URL"),
        ("file:///etc/passwd", "https URL"),
        ("https://", "https URL"),
        ("https://example.com/" + "a" * 3000, "https URL"),
        ("data:text/html;base64,AAAA", "PNG, JPEG"),
        ("data:image/png;base64,%%%", "base64"),
        ("data:image/jpeg;base64," + HERE.partition(",")[2], "no JPEG"),
    ],
)
async def test_what_is_no_image_is_refused(seeing: Gateway, url: str | None, why: str) -> None:
    async with seeing.call() as caller:
        error = await refused(caller, message(image(url)))
        assert error["param"] == "item.content.0.image_url"
        assert why in error["message"]


async def test_images_are_bounded(seeing: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MOST_IMAGE_CHARS", 2 * len(HERE))
    async with seeing.call() as caller:
        await caller.settings(output_modalities=["text"], instructions="")
        text = {"type": "input_text", "text": "one more"}
        for _ in range(4):
            await caller.send("conversation.item.create", item=message(text, image()))
            await caller.until("conversation.item.done")
        await caller.send("response.create")
        await caller.until("response.done")
        [respond] = seeing.told(caller.session_id, Respond)
        assert [len(m.images) for m in respond.dialogue] == [0, 0, 1, 1]
        error = await refused(caller, message(image(), image(), image()))
        assert (error["param"], "together" in error["message"]) == ("item.content", True)
        monkeypatch.setattr(wire_images, "MOST_IMAGE_BYTES", len(PNG) // 2)
        error = await refused(caller, message(image()))
        assert "at most" in error["message"]


async def test_assistants_show_no_images(seeing: Gateway) -> None:
    async with seeing.call() as caller:
        error = await refused(caller, message(image()) | {"role": "assistant"})
        assert error["param"] == "item.content.0.type"
