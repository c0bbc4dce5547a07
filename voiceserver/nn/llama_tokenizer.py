"""SmolLM2's byte-level BPE tokenizer, rebuilt from the vocabulary and merges inside a GGUF file."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from voiceserver.errors import AssetError

CONTROL_TOKEN = 3  # GGUF's token type of <|im_start|> and its like


def tokenizer_from_gguf(gguf_file: Path) -> Tokenizer:
    """The tokenizer of a SmolLM GGUF file; control tokens are recognised in the text."""
    import gguf  # half a second to import, and only a first start needs it

    fields = gguf.GGUFReader(str(gguf_file)).fields
    kind = fields["tokenizer.ggml.pre"].contents()
    if kind != "smollm":
        raise AssetError(f"{gguf_file} has a {kind} tokenizer; only smollm is known")
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    types: list[int] = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(line.split(" ")) for line in fields["tokenizer.ggml.merges"].contents()]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, types, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return tokenizer
