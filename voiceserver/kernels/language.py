"""What kernel files need of Triton, also where it is not installed: there the twins run alone.

Annotate a kernel's parameters with `tl.tensor` (pointers and numbers) and `tl.constexpr`: Triton
reads annotations when it compiles, and knows no other names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import triton
    import triton.language as tl
else:
    try:
        import triton
        import triton.language as tl
    except ImportError:
        triton = tl = None

__all__ = ["jit", "power_of_2", "tl"]


def jit(function: Callable[..., Any]) -> Any:
    """`triton.jit`; without Triton the function stays as it is and is never launched."""
    return function if triton is None else triton.jit(function)


def power_of_2(size: int) -> int:
    """The smallest power of two that is not below `size`: what a block must measure."""
    return 1 << (size - 1).bit_length()
