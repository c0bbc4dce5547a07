"""Training text: replies that the thinker itself writes to sampled questions.

The replies land in a JSON-lines file, one object a reply, appended batch by batch, so a stopped
run goes on where it stopped. A fixed share of the *prompts' batches* is never trained on.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from voiceserver.training.prompts import SYSTEM_PROMPT, sample_prompts
from voiceserver.training.smollm import load_thinker

BATCH_REPLIES = 128
MAX_NEW_TOKENS = 64
TEMPERATURE = 0.8
TOP_K = 40
MIN_SENTENCE_CHARS = 3
MAX_SENTENCE_CHARS = 200
# The first batches are the held-out ones: about this many distinct replies, and never trained on.
HELD_OUT_REPLIES = 300

SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")


@dataclass(frozen=True)
class Reply:
    prompt: str
    text: str  # cleaned, whole sentences only


def write_replies(
    gguf_path: Path,
    out: Path,
    seed: int,
    seconds: float,
    most: int,
    on_batch: Callable[[int], None] = lambda _done: None,
) -> int:
    """Append replies to `out` until the time is up or `most` are there; returns how many."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = sum(1 for _ in out.open()) if out.exists() else 0
    if done >= most:
        return done
    model, tokenizer = load_thinker(gguf_path)
    deadline_s = time.monotonic() + seconds
    while done < most and time.monotonic() < deadline_s:
        batch_seed = seed * 1_000_003 + done
        prompts = sample_prompts(BATCH_REPLIES, batch_seed)
        torch.manual_seed(batch_seed)
        texts = _generate(model, tokenizer, prompts)
        with out.open("a") as sink:
            for prompt, text in zip(prompts, texts, strict=True):
                sink.write(json.dumps({"prompt": prompt, "text": text}) + "\n")
        done += len(texts)
        on_batch(done)
    return done


@torch.inference_mode()
def _generate(model: Any, tokenizer: Any, prompts: list[str]) -> list[str]:
    chats = [
        tokenizer.apply_chat_template(
            [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": prompt},
            ],
            tokenize=False,
            add_generation_prompt=True,
        )
        for prompt in prompts
    ]
    batch = tokenizer(chats, return_tensors="pt", padding=True).to(model.device)
    tokens = model.generate(
        **batch,
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=TOP_K,
        top_p=1.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    written = tokens[:, batch.input_ids.shape[1] :]
    return list(tokenizer.batch_decode(written, skip_special_tokens=True))


def read_replies(path: Path) -> Iterator[Reply]:
    """Distinct cleaned replies in file order; a reply cut off by the token limit loses its tail."""
    seen: set[str] = set()
    with path.open() as lines:
        for line in lines:
            entry = json.loads(line)
            text = clean_reply(entry["text"])
            if text and text.lower() not in seen:
                seen.add(text.lower())
                yield Reply(entry["prompt"], text)


def clean_reply(text: str) -> str:
    """Whole speakable sentences of one reply in one line, or an empty string."""
    flat = re.sub(r"[*_#`|<>{}\\]+", "", text)
    flat = re.sub(r"\s*\n+\s*", " ", flat).strip()
    kept = [
        sentence
        for sentence in SENTENCE_END.split(flat)
        if MIN_SENTENCE_CHARS <= len(sentence) <= MAX_SENTENCE_CHARS
        and sentence[-1] in ".!?"
        and sentence.isascii()
        and re.search(r"[A-Za-z]{2}", sentence)
    ]
    return " ".join(kept)


def split_held_out(replies: list[Reply]) -> tuple[list[Reply], list[Reply]]:
    """(training, held out): the earliest distinct replies are held out, the others train.

    A sentence of a held-out reply that also occurs in training would not be unseen, so training
    replies that share a sentence with the held-out ones are dropped.
    """
    held = replies[:HELD_OUT_REPLIES]
    known = {s.lower() for reply in held for s in SENTENCE_END.split(reply.text)}
    training = [
        reply
        for reply in replies[HELD_OUT_REPLIES:]
        if not known & {s.lower() for s in SENTENCE_END.split(reply.text)}
    ]
    return training, held
