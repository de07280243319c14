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
    oldest = None
    for trade in reversed(book.trades):
        if book.reviewed_at is not None and trade.exit_time <= book.reviewed_at:
            break
        oldest = trade
    return None if oldest is None else oldest.exit_time.date() + GRACE[review]
