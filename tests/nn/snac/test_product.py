"""The product of few rows: the plain one, however its weights are packed."""

import pytest
import torch

from voiceserver.nn.snac.product import FEW_ROWS, Product


@pytest.mark.parametrize("usual_rows", [1, FEW_ROWS, FEW_ROWS + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 4, 37])
def test_any_number_of_rows(rows: int, dtype: torch.dtype, usual_rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((rows, 48), (48, 80), (80,))
    )
    product = Product(weight.to(dtype), bias.to(dtype), usual_rows)
    with torch.inference_mode():
        made = product(x.to(dtype)).double()
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(made, x @ weight + bias, rtol=0, atol=tolerance)
