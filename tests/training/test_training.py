"""Training in small: on a made-up corpus the losses fall, and a stopped run goes on."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.nn.checkpoint import load_network, read_metadata
from voiceserver.nn.codec import FRAME_LATENTS, Codec, CodecShape
from voiceserver.nn.hifigan import LATENT_DIMS, HifiGan
from voiceserver.nn.talker import TalkerShape
from voiceserver.training.codec import CodecTraining
from voiceserver.training.corpus import Corpus, read_shards, sentences_of
from voiceserver.training.export import export_codec
from voiceserver.training.schedule import Progress
from voiceserver.training.sequences import Packer
from voiceserver.training.talker import TalkerTraining, fed_back, target_digits

CODEC = CodecShape(width=32, blocks=1)
TALKER = TalkerShape(CODEC, width=32, layers=1, window_frames=8, phoneme_width=32, cue_width=16)
CPU = torch.device("cpu")
SYMBOLS = 12  # a sentence
STEP_S = 0.01  # what a step takes by the test's clock, however busy the machine is


@pytest.fixture(scope="module", autouse=True)
def even_clock() -> Iterator[None]:
    """Time goes on when it is looked at, so that a run in seconds is a fixed number of steps."""
    ticks = itertools.count()
    torch.set_num_threads(1)  # threads that wait for one another crawl on a busy machine
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(ticks) * STEP_S)
        yield


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Sentences whose latents are a fixed vector a symbol, as an easy teacher would speak."""
    rng = np.random.default_rng(0)
    sounds = rng.normal(size=(20, 16)) @ rng.normal(size=(16, LATENT_DIMS))
    sentences = 400
    symbols = rng.integers(1, 20, (sentences, SYMBOLS))
    durations = rng.integers(1, 4, (sentences, SYMBOLS, 2))
    durations[:, -1, 1] = 0
    lengths = durations.sum(-1)
    latents = np.concatenate(
        [sounds[row].repeat(length, 0) for row, length in zip(symbols, lengths, strict=True)]
    )
    return Corpus(
        symbol_ids=symbols.reshape(-1).astype(np.int16),
        durations=durations.reshape(-1, 2).astype(np.int16),
        symbol_ends=np.arange(1, sentences + 1) * SYMBOLS,
        latents=latents.astype(np.float16),
        latent_ends=lengths.sum(1).cumsum(),
    )


@pytest.fixture(scope="module")
def codec(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    reported: list[Progress] = []
    training = CodecTraining(torch.from_numpy(corpus.latents), CODEC, 0, CPU)
    checkpoint = tmp_path_factory.mktemp("codec") / "codec.pt"
    trained = training.run(100 * STEP_S, checkpoint, reported.append)
    assert reported[-1].losses["error"] < 0.75 * reported[0].losses["error"]
    return trained


def test_talker_learns_and_goes_on(corpus: Corpus, codec: Codec, tmp_path: Path) -> None:
    checkpoint = tmp_path / "talker.pt"
    reported: list[Progress] = []
    training = TalkerTraining(corpus, codec, TALKER, 0, CPU)
    training.run(40 * STEP_S, checkpoint, reported.append)
    assert reported[-1].losses["digits"] < 0.9 * reported[0].losses["digits"]

    resumed = TalkerTraining(corpus, codec, TALKER, 1, CPU)
    resumed.restore(checkpoint)
    assert resumed.step == training.step
    assert resumed.evaluate() == training.evaluate()
    resumed.run(50 * STEP_S, checkpoint, reported.append)
    assert reported[-1].step - training.step in (9, 10, 11)


def test_heads_say_each_frame_once_and_late(corpus: Corpus, codec: Codec) -> None:
    packer = Packer(corpus, most_frames=20, extra_frames=TALKER.longest_delay)
    batch = packer.batch([np.array([0, 1]), np.array([2])])
    targets, said = target_digits(codec, batch, TALKER)
    digits = codec.encode(codec.frames(batch.latents))
    for row, frames in enumerate(batch.frames.tolist()):
        for digit, delay in enumerate(TALKER.digit_delays()):
            assert said[row, :, digit].sum() == frames
            spoken = targets[row, delay : delay + frames, digit]
            assert torch.equal(spoken, digits[row, :frames, digit])


def test_fed_back_digits_are_of_the_step_before() -> None:
    targets = torch.randint(-2, 3, (1, 200, CODEC.dims)).float()
    said = torch.ones_like(targets, dtype=torch.bool)
    previous = fed_back(targets, said, TALKER)
    assert (previous[:, 0] == TALKER.no_digit).all()
    told = previous[:, 1:] != TALKER.no_digit
    away = (previous[:, 1:] - CODEC.top - targets[:, :-1])[told].abs()
    assert away.max() <= 1
    assert 0.05 < (~told).float().mean() < 0.3


def test_sequences_are_whole_frames(corpus: Corpus) -> None:
    packer = Packer(corpus, most_frames=30, extra_frames=1)
    rng = np.random.default_rng(0)
    groups = packer.packed(np.arange(50), rng)
    assert sorted(np.concatenate(groups).tolist()) == list(range(50))
    batch = packer.batch(groups[:3])
    assert batch.latents.shape[1] == FRAME_LATENTS * int(batch.frames.max())
    assert batch.cues.shape[1] == FRAME_LATENTS * (int(batch.frames.max()) + 2)
    latents = batch.durations.sum((1, 2))
    assert torch.equal(latents, FRAME_LATENTS * batch.frames)


def test_shards_are_joined_in_order(corpus: Corpus, tmp_path: Path) -> None:
    for index in range(2):
        np.savez(tmp_path / f"shard_{index:05d}.npz", **vars(corpus))
    joined = read_shards(tmp_path)
    assert len(joined.latents) == 2 * len(corpus.latents)
    assert joined.latent_ends[-1] == len(joined.latents)
    assert joined.symbol_ends[-1] == len(joined.symbol_ids)
    assert len(read_shards(tmp_path, most_latents=1).latents) == len(corpus.latents)


def test_sentences_go_from_start_to_stop() -> None:
    sentences = sentences_of("Yes, it is. No!")
    assert [sentence[0] for sentence in sentences] == ["^", "^"]
    assert [sentence[-1] for sentence in sentences] == ["$", "$"]


def test_weights_come_back_from_the_file(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    export_codec(path, codec, HifiGan(), {"steps": 1})
    loaded = Codec(CodecShape(**read_metadata(path)["shape"]))
    load_network(path, "codec", loaded)
    for name, weight in codec.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], weight, rtol=1e-3, atol=1e-4), name
