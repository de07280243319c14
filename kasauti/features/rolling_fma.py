"""The fused multiply-add of C for numba kernels; the averages that need it live beside it."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from kasauti.compiled import njit


def _typed(_typing: Any, a: Any, b: Any, c: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(a, b, c), emit


_fused: Callable[[float, float, float], float] = intrinsic(_typed)


@njit
def fma(a: float, b: float, c: float) -> float:
    """Return ``a * b + c`` rounded once, as C's ``fma`` does, with or without such hardware."""
    return _fused(a, b, c)
