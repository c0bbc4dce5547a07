"""Weights in torch's own file format, read without running what is pickled in it, and checked.

Anything wrong is one AssetError that names the file and what is wrong with it.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceserver.errors import AssetError

Shape = tuple[int, ...]

_NOT_A_TENSOR = re.compile(r"GLOBAL (\S+)")  # in what torch says of objects it will not load

NAMES_SHOWN = 4  # of each kind of wrong keys; one misnamed layer makes dozens


def read_torch_file(path: Path) -> Any:
    """What `torch.save` wrote: tensors and plain values only, memory-mapped where possible."""
    if not path.is_file():
        raise AssetError(f"{path} is missing")
    try:
        return torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        if found := _NOT_A_TENSOR.search(str(error)):
            raise AssetError(
                f"{path} holds {found[1]}, which is no tensor; it is refused, because loading "
                "other Python objects would run code out of the file"
            ) from error
        raise AssetError(f"{path} is not a file of torch weights") from error
    except Exception as error:  # a damaged file may make the reader stumble anywhere
        raise AssetError(f"{path} is damaged or not complete ({_first_line(error)})") from error


def as_state(path: Path, content: Any) -> dict[str, Tensor]:
    """The content as a state dict; anything but named tensors is refused."""
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise AssetError(f"{path} holds no state dict (tensors by name)")
    return content


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict that is the whole of a file."""
    return as_state(path, read_torch_file(path))


def check_state(
    path: Path | str,
    state: Mapping[str, Tensor],
    shapes: Mapping[str, Shape],
    ignored: tuple[str, ...] = (),
) -> None:
    """Complain once about all keys that are missing, not expected or of another shape.

    Keys that begin with one of `ignored` may be there or not.
    """
    missing = [key for key in shapes if key not in state]
    surplus = [key for key in state if key not in shapes and not key.startswith(ignored)]
    misshapen = [
        f"{key} is {list(state[key].shape)}, not {list(shape)}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    found = (("missing", missing), ("not expected", surplus), ("of the wrong shape", misshapen))
    complaints = [f"{what}: {_some(names)}" for what, names in found if names]
    if complaints:
        raise AssetError(f"{path} does not fit the model; {'; '.join(complaints)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
