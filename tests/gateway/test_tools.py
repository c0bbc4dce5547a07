"""Function calls over the real socket: their events, their results, and who waits for whom."""

from __future__ import annotations

from typing import Any

from gateway_calls import Caller, Gateway

from voiceserver.engine.messages import Respond
from voiceserver.engine.tools import ToolCall

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": SCHEMA}
TIME = {"type": "function", "name": "time"}


async def ask(caller: Caller, text: str, **response: Any) -> dict[str, Any]:
    """Write something and have it answered."""
    await caller.write(text)
    await caller.send("response.create", response=response)
    done: dict[str, Any] = (await caller.until("response.done"))["response"]
    return done


async def give_result(caller: Caller, call_id: str, output: str) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    await caller.send("conversation.item.create", item=item)
    await caller.until("conversation.item.done")


async def test_a_call_comes_after_the_words_with_all_its_events(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        session = await caller.settings(output_modalities=["text"], tools=[WEATHER])
        assert session["tools"] == [WEATHER]
        done = await ask(caller, "call it")
        message, call = done["output"]
        assert caller.kinds()[-9:] == [
            "conversation.item.done",
            "response.output_item.done",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        added, in_conversation, delta, arguments, _, item_done = caller.events[-7:-1]
        begun = call | {"status": "in_progress", "arguments": ""}
        assert added["item"] == in_conversation["item"] == begun
        assert added["output_index"] == delta["output_index"] == 1
        assert in_conversation["previous_item_id"] == message["id"]
        assert delta["delta"] == arguments["arguments"] == call["arguments"] == '{"city": "Rome"}'
        assert (arguments["name"], arguments["call_id"]) == ("weather", call["call_id"])
        assert item_done["item"] == call
        assert call["status"] == done["status"] == "completed"
        await caller.send("conversation.item.retrieve", item_id=call["id"])
        assert (await caller.until("conversation.item.retrieved"))["item"] == call


async def test_the_result_of_a_call_is_read_and_spoken(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(tools=[WEATHER])
        [call] = (await ask(caller, "call silently"))["output"]
        await give_result(caller, call["call_id"], "sunny")
        await caller.send("response.create")
        done = (await caller.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "I heard sunny."
        assert caller.audio_bytes(done["id"]) > 0
        asked, answered = gateway.told(caller.session_id, Respond)
        assert asked.tools.functions[0].parameters == SCHEMA
        assert asked.open_ended
        made, result = answered.dialogue[-2:]
        assert made.call == ToolCall(call["call_id"], "weather", '{"city": "Rome"}')
        assert (result.role, result.text, result.call_id) == ("tool", "sunny", call["call_id"])


async def test_several_calls_of_one_response(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"], tools=[WEATHER, TIME])
        calls = (await ask(caller, "call all silently"))["output"]
        assert [call["name"] for call in calls] == ["weather", "time"]
        added = [e for e in caller.events if e["type"] == "response.output_item.added"]
        assert [event["output_index"] for event in added] == [0, 1]
        places = [e for e in caller.events if e["type"] == "conversation.item.added"]
        assert places[-1]["previous_item_id"] == calls[0]["id"]


async def test_tools_and_choice_of_one_response(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"], tools=[WEATHER])
        choice = {"type": "function", "name": "time"}
        options = {"tools": [TIME], "tool_choice": choice, "parallel_tool_calls": False}
        done = await ask(caller, "call silently", **options)
        assert [item["name"] for item in done["output"]] == ["time"]
        done = await ask(caller, "call it", tool_choice="none")
        assert [item["type"] for item in done["output"]] == ["message"]
        done = await ask(caller, "call it", tools=[])
        assert done["output"][0]["content"][0]["text"] == "I heard call it."
        first, second, third = (r.tools for r in gateway.told(caller.session_id, Respond))
        assert (first.choice, first.function_name, first.parallel) == ("function", "time", False)
        assert second.choice == "none"
        assert third.functions == ()


async def test_calls_of_an_out_of_band_response_stay_out(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"], tools=[WEATHER])
        [call] = (await ask(caller, "call silently", conversation="none"))["output"]
        assert call["name"] == "weather"
        items = [e["item"] for e in caller.events if e["type"] == "conversation.item.added"]
        assert [item["type"] for item in items] == ["message"]


async def test_a_result_that_comes_while_the_assistant_speaks_waits_its_turn(
    gateway: Gateway,
) -> None:
    async with gateway.call() as caller:
        await caller.settings(tools=[WEATHER])
        [call] = (await ask(caller, "call silently"))["output"]
        await caller.write("something else")
        await caller.send("response.create")
        await caller.until("response.output_audio.delta")
        await give_result(caller, call["call_id"], "sunny")
        await caller.send("response.create", response={"metadata": {"client_event_id": "mine"}})
        first = (await caller.until("response.done"))["response"]
        assert first["output"][0]["content"][0]["transcript"] == "I heard something else."
        created = (await caller.until("response.created"))["response"]
        assert created["metadata"] == {"client_event_id": "mine"}
        second = (await caller.until("response.done"))["response"]
        assert second["output"][0]["content"][0]["transcript"] == "I heard sunny."
        assert "error" not in caller.kinds()


async def test_a_response_without_a_new_result_is_refused_while_another_goes_on(
    gateway: Gateway,
) -> None:
    async with gateway.call() as caller:
        await caller.settings(tools=[WEATHER])
        await caller.write("a long story")
        await caller.send("response.create")
        await caller.until("response.output_audio.delta")
        await caller.send("response.create", event_id="second")
        while (event := await caller.next())["type"] != "error":
            pass
        assert event["error"]["code"] == "conversation_already_has_active_response"
        assert event["error"]["event_id"] == "second"


async def test_an_interrupted_response_calls_nothing(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(tools=[WEATHER])
        await caller.write("call it")
        await caller.send("response.create")
        await caller.until("response.output_audio.delta")
        await caller.send("response.cancel")
        done = (await caller.until("response.done"))["response"]
        assert done["status"] == "cancelled"
        assert [item["type"] for item in done["output"]] == ["message"]
        later = await caller.nothing_more()
        assert later == []
        assert "response.function_call_arguments.done" not in caller.kinds()


async def test_history_is_replayed_with_its_calls(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"], instructions="")
        call = {"type": "function_call", "id": "f", "call_id": "k", "name": "n", "arguments": ""}
        await caller.send("conversation.item.create", item=call)
        await caller.until("conversation.item.done")
        await give_result(caller, "k", "old news")
        await ask(caller, "hello")
        [respond] = gateway.told(caller.session_id, Respond)
        assert [m.role for m in respond.dialogue] == ["assistant", "tool", "user"]
        assert respond.dialogue[0].call == ToolCall("k", "n", "{}")
