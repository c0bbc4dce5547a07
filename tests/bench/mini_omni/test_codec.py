"""The codec's bench: its card is right, and it times nothing that is not exact."""

import pytest
import torch

from voiceserver.bench.mini_omni import codec
from voiceserver.bench.mini_omni.codec_check import check, early_start_db
from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.engine.mini_omni.voice import SnacVoice
from voiceserver.errors import VoiceserverError
from voiceserver.nn.snac import SNAC_24KHZ, Snac


@pytest.fixture(scope="module")
def snac() -> Snac:
    torch.set_num_threads(1)
    return Snac.random(codec.REDUCED)


def test_what_is_not_exact_is_not_timed(snac: Snac) -> None:
    assert check(SnacVoice(snac, 2, early=False), snac) < 1e-5
    with pytest.raises(VoiceserverError, match="not timed"):
        check(SnacVoice(snac, 2, early=True), snac)


def test_operations_of_a_frame() -> None:
    """As torch's counter of the published package has them."""
    assert 2 * codec.multiplications(SNAC_24KHZ) == pytest.approx(0.828e9, rel=0.01)


def test_early_frames_resemble_the_exact_sound(snac: Snac) -> None:
    ratios = early_start_db(snac, 2, utterances=1)
    assert len(ratios) == 2
    assert all(0 < ratio < 60 for ratio in ratios)


def test_a_report_has_all_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    subject = Subject(torch.device("cpu"), reduced=True)
    report = codec.run(subject, [1, 2], 2, told.append)
    assert [row[:2] for row in report.rows] == [
        (name, streams) for streams in (1, 2) for name in ("stream", "window of 3", "window of 4")
    ]
    assert len(report.goals) == 4
    assert report.card["look-ahead"] == "4757 samples, 198.2 ms"
    assert "says nothing about how it sounds" in report.card["early start"]
    assert told
    report.show(as_json=True)
    assert capsys.readouterr().out.startswith('{"bench": "codec"')
