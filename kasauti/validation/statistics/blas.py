"""Matrix products on one thread; nothing is computed here."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which numpy multiplies matrices on the calling thread alone.

    The second thread of OpenBLAS gains .1 s on an idle machine and waits by spinning: while other
    workers hold the cores, a report takes 5 s instead of one. Nested or concurrent use is harmless.
    """
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # looks through the loaded libraries

    return ThreadpoolController()
