"""The large product of an upsampling: x [N, in] -> x @ weight + bias [N, out]."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

# With this few rows a product takes as long as reading its weights, and oneDNN, given them in its
# own order, reads nearly twice as fast as MKL: 3.0 instead of 5.2 ms for the 33 MB of the first
# level. With more rows they are even.
FEW_ROWS: Final = 8


class Product:
    def __init__(self, weight: Tensor, bias: Tensor, usual_rows: int) -> None:
        """weight: [in, out], bias: [out]; any number of rows is right, `usual_rows` is fastest."""
        self.bias = bias
        self._packed = usual_rows <= FEW_ROWS and _one_dnn_takes(weight)
        self.weight: Tensor = (
            torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous(), usual_rows)
            if self._packed
            else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        if not self._packed:
            return torch.addmm(self.bias, x, self.weight)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return y


def _one_dnn_takes(weight: Tensor) -> bool:
    """The ops are there in every torch so far, but not promised."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and _HAS_OPS


_HAS_OPS: Final = bool(torch.backends.mkldnn.enabled) and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
)
