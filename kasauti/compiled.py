"""Typed doors to numba; no kernel lives here."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import types
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

from kasauti.kernel_cache import kernel_folder

P = ParamSpec("P")
R = TypeVar("R")

_configuring = Lock()


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with numba, without the GIL, cached on disk.

    ``fastmath`` stays off: results must be equal on every machine and NaN must stay NaN. A division
    by zero gives an infinity or NaN as in numpy: a check for it keeps loops from vectorising. Numba
    takes the cache's folder from its configuration only; other libraries keep theirs.
    """
    folder = kernel_folder(Path(function.__code__.co_filename))
    with _configuring:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder or "")
        try:
            kernel = numba.njit(
                cache=folder is not None, nogil=True, fastmath=False, error_model="numpy"
            )(function)
        finally:
            numba.config.CACHE_DIR = before
    return cast(Callable[P, R], kernel)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` into every kernel that calls it.

    For short ones in inner loops that take arrays: a call hands over seven words an array.
    """
    options = {"inline": "always", "nogil": True, "fastmath": False, "error_model": "numpy"}
    return cast(Callable[P, R], numba.njit(**options)(function))


A = TypeVar("A", bound=NDArray[Any])


def _borrowed(_: object, array: types.Array) -> tuple[object, object]:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        source = arrayobj.make_array(kind)(context, builder, arguments[0])
        view = arrayobj.make_array(kind)(context, builder)
        arrayobj.populate_array(
            view,
            data=source.data,
            shape=source.shape,
            strides=source.strides,
            itemsize=source.itemsize,
            meminfo=None,
            parent=None,
        )
        return view._getvalue()

    return array(array), codegen


borrowed: Callable[[A], A] = intrinsic(_borrowed)
"""Return a view that is not counted as a reference, for kernels that slice in inner loops.

Numba counts every slice's reference to its array, atomically: 5 ns each, and far more where two
threads slice the same array. To be taken of arguments only, which the caller keeps alive.
"""
