"""The errors that Kasauti raises on purpose; nothing else belongs here.

Every message says what was wrong, where, and what to do about it.
"""


class KasautiError(Exception):
    """Base of every error that Kasauti raises on purpose."""


class DataError(KasautiError):
    """Market data that cannot be used: missing, malformed or contradictory."""


class GenomeError(KasautiError):
    """A genome or an expression outside the language.

    Parameters
    ----------
    message : str
        What was wrong and what was expected.
    position : int or None
        Zero-based character position in the expression text, where there is one.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        self.position = position
        super().__init__(message if position is None else f"at position {position}: {message}")


class SealedDataError(KasautiError):
    """The sealed last fifth was asked for where it must not be read, or does not match its seal."""


class VerdictRefused(KasautiError):
    """No verdict can be given at all, for instance on fewer than 1,000 bars."""


class LedgerError(KasautiError):
    """The ledger cannot be written or does not verify."""


class SelfTestError(LedgerError):
    """A control let through what it must refuse, or refuses what is healthy: nothing is traded."""


class LeaseError(KasautiError):
    """Another desk holds the lease, or this one has lost it."""


class BrokerError(KasautiError):
    """The broker cannot be reached, or its answer cannot be read."""


class AlertError(KasautiError):
    """The alert book cannot be read or written."""


class BackupError(KasautiError):
    """A backup that cannot be taken, read or restored, or a place that cannot be used."""


class UsageError(KasautiError):
    """A command or a setting that asks for something impossible."""
