"""A fixed number of rows that nodes of a graph own for a while; their content is not known here."""

import numpy as np

from kasauti.genome.codes import Codes, Places

FREE = 0
"""In place of an owner, which is written as its node + 1: untouched zeros need no memory, and a
short panel has millions of rows that nobody ever takes."""


class Rows:
    """Who owns which row, and whose are given up when others need them.

    Parameters
    ----------
    first, stop : int
        The rows that may be given away.
    """

    def __init__(self, first: int, stop: int) -> None:
        self._owner = np.zeros(stop, dtype=np.int64)
        self._last_used = np.zeros(stop, dtype=np.int64)
        self._users = np.zeros(stop, dtype=np.int32)
        self._free = np.empty(stop, dtype=np.int64)  # a stack
        self._waiting = 0  # its height
        self._fresh = first  # from here on no row was taken yet

    @property
    def capacity(self) -> int:
        """The number of rows."""
        return len(self._owner)

    def use(self, rows: Places, now: int) -> None:
        """Note that the call number `now` uses `rows`, each named once, until it leaves them."""
        self._last_used[rows] = now
        self._users[rows] += 1

    def leave(self, rows: Places) -> None:
        """Note that a call does not use `rows` any longer."""
        self._users[rows] -= 1

    def take(self, count: int, row_of: Codes) -> Places:
        """Return up to `count` rows, forgetting the longest unused owners where none is free.

        Parameters
        ----------
        count : int
        row_of : ndarray of int32
            Row of each node; -1 is written for those that lose theirs.

        Returns
        -------
        ndarray of int64
            Fewer than `count` rows if all others are in use.
        """
        fresh = min(max(0, count - self._waiting), self.capacity - self._fresh)
        self.release(np.arange(self._fresh, self._fresh + fresh))
        self._fresh += fresh
        if count > self._waiting:
            self._forget(count - self._waiting, row_of)
        taken = min(count, self._waiting)
        self._waiting -= taken
        return self._free[self._waiting : self._waiting + taken].copy()

    def give(self, rows: Places, nodes: Places, now: int) -> None:
        """Make `nodes` the owners of `rows`, last used by the call number `now`."""
        self._owner[rows] = nodes + 1
        self._last_used[rows] = now

    def release(self, rows: Places) -> None:
        """Take back rows that nobody owns."""
        self._free[self._waiting : self._waiting + len(rows)] = rows
        self._waiting += len(rows)

    def _forget(self, count: int, row_of: Codes) -> None:
        idle = np.flatnonzero((self._owner != FREE) & (self._users == 0))
        if len(idle) > count:
            # an eighth of all at once, so that this search is rare
            count = min(len(idle), max(count, self.capacity // 8))
            idle = idle[np.argpartition(self._last_used[idle], count - 1)[:count]]
        row_of[self._owner[idle] - 1] = -1
        self._owner[idle] = FREE
        self.release(idle)
