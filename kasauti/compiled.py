"""Typed doors to numba; no kernel lives here."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with numba, without the GIL, cached on disk.

    ``fastmath`` stays off: results must be equal on every machine and NaN must stay NaN.
    """
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True, fastmath=False)(function))
