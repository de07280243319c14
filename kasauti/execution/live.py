"""The two keys of live trading, read anew each time: a person's arming, and the environment.

``KASAUTI_LIVE`` must name the armed account. How an account is armed stands in `arming`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kasauti.execution.model import Scope
from kasauti.execution.projections import Book

LIVE = "KASAUTI_LIVE"


@dataclass(frozen=True)
class LiveKeys:
    """The two keys that have to agree before anything may be sent to a real broker.

    Attributes
    ----------
    armed : bool
        A person's arming is in force and covers the sealed limits.
    environment : bool
        The environment names the armed account.
    account : str
        The armed account, "" without one.
    genomes : tuple of str
        The strategies that may be traded: they passed the trial, and were not demoted since.
    """

    armed: bool
    environment: bool
    account: str = ""
    genomes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether live trading is allowed."""
        return self.armed and self.environment


def live_keys(book: Book, environment: Mapping[str, str], now: datetime) -> LiveKeys:
    """Return where the two live keys stand.

    The arming does not cover limits that let a day cost more than it says, another profile, or a
    strategy that has not passed or was demoted since; without any strategy it is worth nothing.

    Parameters
    ----------
    book : Book
    environment : mapping of str
        For instance ``os.environ``.
    now : datetime
        Exchange time.
    """
    armed = book.armed
    if armed is None:
        return LiveKeys(False, False)
    limits = book.limits
    covered = (
        limits is not None
        and limits.profile == armed.profile
        and limits.daily_loss <= armed.most_loss
    )
    genomes = tuple(one for one in armed.genomes if not _fell(book, one))
    valid = covered and bool(genomes) and now < armed.until and book.scope is Scope.PAPER
    return LiveKeys(valid, environment.get(LIVE) == armed.account, armed.account, genomes)


def _fell(book: Book, genome_hash: str) -> bool:
    """Whether the strategy was demoted after the account was armed."""
    demoted = book.demoted.get(genome_hash)
    return demoted is not None and book.armed_at is not None and demoted >= book.armed_at
