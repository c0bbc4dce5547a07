"""A language model from a Hugging Face folder, of whatever architecture transformers knows.

Each slot has a cache of its own that survives its replies: a new prompt keeps what it shares with
the tokens behind the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.utils import logging

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.nano.thinker import common_prefix
from voiceserver.engine.thinking.checkpoint_files import check_checkpoint
from voiceserver.engine.thinking.checkpoint_tools import functions, template_messages, understood
from voiceserver.engine.tools import NO_TOOLS, Tools
from voiceserver.errors import AssetError

MOST_CONTEXT_TOKENS = 8192
CHARS_PER_TOKEN = 4  # of usual text
Logits = NDArray[np.float32]
Wire = dict[str, Any]


class CheckpointModel:
    """The model, its tokenizer and its slots' caches. Used by one thread."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._caches: dict[int, Any] = {}
        self._cached: dict[int, list[int]] = {}  # tokens behind each cache
        limit = getattr(model.config, "max_position_embeddings", None) or MOST_CONTEXT_TOKENS
        self.context_tokens = min(int(limit), MOST_CONTEXT_TOKENS)
        self.stops = _stops(model, tokenizer)
        self.calls_tools = understood(tokenizer.chat_template or "")

    @classmethod
    def load(cls, folder: Path, device: str) -> CheckpointModel:
        """From a folder; raises AssetError that says what is wrong with it."""
        check_checkpoint(folder)
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        on = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype="auto" if on.type == "cuda" else torch.float32,  # few CPUs are fast in bf16
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise AssetError(f"{folder} cannot be loaded as a language model: {reason}") from error
        if tokenizer.chat_template is None:
            raise AssetError(f"{folder} has no chat template: it is no model to talk to")
        return cls(model.eval().to(on), tokenizer, on)

    # --- text --------------------------------------------------------------------------------

    def prompt(
        self, dialogue: Sequence[ChatMessage], most_tokens: int, tools: Tools = NO_TOOLS
    ) -> list[int]:
        """The dialogue in the model's own chat format, its oldest messages left out if need be."""
        messages = self._messages(dialogue)
        offer = functions(tools)
        system = [m for m in messages if m["role"] == "system"]
        turns = [m for m in messages if m["role"] != "system"]
        while len(tokens := self._tokens([*system, *turns], offer)) > most_tokens:
            turns = turns[1:]
            while turns and turns[0]["role"] == "tool":  # whose call has been left out
                turns = turns[1:]
            if not turns:
                break
        return tokens[-most_tokens:]

    def _messages(self, dialogue: Sequence[ChatMessage]) -> list[Wire]:
        """What the messages say; several of one role in a row as one, as most templates want it."""
        messages: list[Wire] = []
        for message in template_messages(dialogue):
            message["content"] = self._harmless(message["content"])
            plain = message["role"] != "tool" and "tool_calls" not in message
            if plain and not message["content"]:
                continue
            last = messages[-1] if messages else {}
            if plain and last.get("role") == message["role"] and "tool_calls" not in last:
                last["content"] += f"\n{message['content']}"
            else:
                messages.append(message)
        return messages

    def _harmless(self, text: str) -> str:
        """A text whose control tokens are plain text: nobody talks out of their turn."""
        for token in self._tokenizer.all_special_tokens:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

    def _tokens(self, messages: list[Wire], tools: list[Wire]) -> list[int]:
        text = self._tokenizer.apply_chat_template(
            messages,
            tools=tools or None,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # of templates that know it: nobody hears it
        )
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def text(self, tokens: Sequence[int]) -> str:
        """What a reply's tokens say."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    # --- the network -------------------------------------------------------------------------

    def reuse(self, slot: int, prompt: list[int]) -> int:
        """How many of the prompt's tokens the slot's cache has read; it holds no others."""
        cached = self._cached.get(slot, [])
        kept = common_prefix(cached, prompt[:-1])  # the last is read for its logits
        if slot not in self._caches or not _cut(self._caches[slot], kept, len(cached)):
            kept, self._caches[slot] = 0, DynamicCache(config=self._model.config)
        self._cached[slot] = cached[:kept]
        return kept

    def forget(self, slot: int) -> None:
        """Drop a slot's cache."""
        self._caches.pop(slot, None)
        self._cached.pop(slot, None)

    @torch.inference_mode()
    def read(self, slot: int, tokens: list[int]) -> Logits:
        """Read more tokens in a slot; logits of what follows: [V]"""
        self._cached[slot] += tokens
        output = self._model(
            input_ids=torch.tensor([tokens], device=self._device),  # [1, T]
            past_key_values=self._caches[slot],
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Logits = output.logits[0, -1].float().cpu().numpy()
        return logits


def _cut(cache: Any, kept: int, length: int) -> bool:
    """Let a cache hold its first tokens only; False if it is of a kind that cannot."""
    if kept == length:
        return True
    if kept == 0 or not all(type(layer) is DynamicLayer for layer in cache.layers):
        return False
    for layer in cache.layers:
        layer.keys = layer.keys[..., :kept, :]
        layer.values = layer.values[..., :kept, :]
    return bool(cache.get_seq_length() == kept)


def _stops(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end a reply."""
    given = model.generation_config.eos_token_id if model.generation_config is not None else None
    listed = given if isinstance(given, list) else [given]
    return {token for token in (*listed, tokenizer.eos_token_id) if token is not None}
