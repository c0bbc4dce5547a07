"""Mini-Omni's ids: one table of 181,120 rows shared by a text stream and seven audio streams.

Outside this package ids count from 0 in every stream. The table holds the text ids first and then
4,160 rows for each audio stream; `layershift` turns the one into the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

AUDIO_STREAMS = 7  # streams 0 to 6; the codes of one frame, one stream later each
TEXT_STREAM = 7
STREAMS = 8
TEXT_VOCABULARY = 152_000
AUDIO_VOCABULARY = 4_160
VOCABULARY = TEXT_VOCABULARY + AUDIO_STREAMS * AUDIO_VOCABULARY

# Text ids after the 151,936 of Qwen2's tokenizer.
EOT = 151_936
PAD_T = 151_937
INPUT_T = 151_938
ANSWER_T = 151_939
ASR = 151_940
# Audio ids after the 4,096 of a SNAC codebook.
CODES = 4_096
EOA = 4_096
PAD_A = 4_097
INPUT_A = 4_098
ANSWER_A = 4_099


def stream_offsets() -> Tensor:
    """What `layershift` adds to each stream's ids: [8]"""
    audio = TEXT_VOCABULARY + torch.arange(AUDIO_STREAMS) * AUDIO_VOCABULARY
    return torch.cat([audio, torch.zeros(1, dtype=torch.int64)])


def layershift(ids: Tensor, offsets: Tensor) -> Tensor:
    """Ids of each stream to rows of the table. ids: [..., 8], offsets: `stream_offsets()`"""
    return ids + offsets


def in_range(ids: Tensor) -> bool:
    """Whether every id of [..., 8] exists in its stream."""
    audio, text = ids[..., :AUDIO_STREAMS], ids[..., TEXT_STREAM]
    fits = (audio < AUDIO_VOCABULARY).all() & (text < TEXT_VOCABULARY).all() & (ids >= 0).all()
    return bool(fits)
