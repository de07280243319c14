"""By when a person has to look at the trades; overdue, the gate takes no new entry."""

from datetime import date, timedelta

from kasauti.execution.limits import Review
from kasauti.execution.projections import Book

GRACE = {
    Review.EACH_TRADE: timedelta(0),
    Review.DAILY: timedelta(days=1),
    Review.WEEKLY: timedelta(days=7),
}
"""From the close of the oldest trade that nobody has looked at until entries are closed."""


def review_due(book: Book, review: Review) -> date | None:
    """Return the day from which on entries are closed, None while nothing waits for a review."""
    unseen = book.trades[book.reviewed :]
    return unseen[0].exit_time.date() + GRACE[review] if unseen else None
