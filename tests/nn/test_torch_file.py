from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from voiceserver.errors import AssetError
from voiceserver.nn.torch_file import check_state, read_state

STATE = {"a": torch.arange(1000.0), "b": torch.zeros(2, 3)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "weights.pth"
    torch.save(STATE, file)
    return file


@pytest.mark.parametrize("zipped", [True, False])
def test_both_of_torchs_formats_are_read(tmp_path: Path, zipped: bool) -> None:
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    state = read_state(tmp_path / "w.pth")
    assert list(state) == ["a", "b"]
    assert state["a"].equal(STATE["a"])


class Harmful:
    """Unpickling it would make a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    file, mark = tmp_path / "weights.pth", tmp_path / "it-ran"
    torch.save({"a": Harmful(mark)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(AssetError, match=r"weights\.pth holds \w+\.mkdir, .* run code"):
        read_state(file)
    assert not mark.exists()


@pytest.mark.parametrize("part", [0, 1, 300, 0.5, 0.99])
def test_a_truncated_file_is_damaged(path: Path, part: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(part if part >= 1 or part == 0 else part * len(content))])
    with pytest.raises(AssetError, match=r"weights\.pth is (damaged|not a file of torch weights)"):
        read_state(path)


@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"version https://git-lfs", b"\x80"]
)
def test_something_else_is_no_weights(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"weights\.pth is (damaged|not a file of torch weights)"):
        read_state(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"weights\.pth is missing"):
        read_state(tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": torch.zeros(1)}}, torch.zeros(2)])
def test_other_content_than_named_tensors_is_refused(path: Path, content: object) -> None:
    torch.save(content, path)
    with pytest.raises(AssetError, match="holds no state dict"):
        read_state(path)


def test_all_complaints_come_at_once() -> None:
    state = {"a": torch.zeros(3), "c": torch.zeros(1), "decoder.x": torch.zeros(1)}
    with pytest.raises(AssetError) as error:
        check_state("w.pth", state, {"a": (2,), "b": (1,)}, ignored=("decoder.",))
    assert str(error.value) == (
        "w.pth does not fit the model; missing: b; not expected: c; "
        "of the wrong shape: a is [3], not [2]"
    )
    check_state("w.pth", {"a": torch.zeros(2)}, {"a": (2,)}, ignored=("decoder.",))
