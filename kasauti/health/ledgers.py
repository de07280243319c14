"""Checks of a ledger: its chain, trading state, kill switch, account and controls.

It is read as the running desk reads it.
"""

from contextlib import closing
from datetime import datetime

from kasauti.errors import LeaseError, LedgerError
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import TradingState
from kasauti.execution.frames import not_evaluated
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.projections import Book
from kasauti.execution.reviews import review_due
from kasauti.execution.stop import is_stopped
from kasauti.health.accounts import account_of, clock_of
from kasauti.health.model import Account, Check, Figure, Health
from kasauti.home import Home

EVALUATE = {
    Scope.REPLAY: "run `kasauti demo`",
    Scope.PAPER: "the desk evaluates all when a session opens, run `kasauti up`",
}
REVIEW = "`kasauti review`"
RECONCILE = "see `kasauti reconcile`"


def look_at(
    home: Home, scope: Scope, path: Place, now: datetime
) -> tuple[list[Check], Account | None]:
    """Look from its chain to its controls; without a whole chain nothing else is read."""
    name = f"{scope.value} ledger"
    try:
        if not path.exists():
            absent = [Check(name, Health.ABSENT, "not made yet")]
            return absent + ([_switch(scope, path, None)] if is_stopped(path) else []), None
        with closing(Ledger.existing(path)) as ledger:
            chain = ledger.verify()
            if not chain.ok:
                broken = f"{'; '.join(chain.problems[:3])}: restore a backup"
                return [Check(name, Health.RED, broken), _switch(scope, path, None)], None
            if ledger.scope is not scope:
                wrong = f"{path} is a {ledger.scope.value} ledger: move it away"
                return [Check(name, Health.RED, wrong), _switch(scope, path, None)], None
            book = ledger.book()
            account = account_of(ledger, book, clock_of(home, ledger, now))
            is_led = is_taken(ledger.path, ledger.engine)
    except (LedgerError, LeaseError) as error:
        return [Check(name, Health.RED, str(error)), _switch(scope, path, None)], None
    desk = "a desk works on it" if is_led else "no desk works on it now"
    whole = f"{chain.events} events, the chain holds; {desk}"
    figures = {"events": chain.events, "desk at work": is_led}
    checks = [
        Check(name, Health.OK, whole, figures),
        _state(scope, book),
        _switch(scope, path, book),
    ]
    return [*checks, _agreement(scope, book), _controls(scope, book)], account


def _state(scope: Scope, book: Book) -> Check:
    name, state, switches = f"{scope.value} trading", book.trading_state, book.switches
    causes = [
        f"{control} since {open_.at:%Y-%m-%d %H:%M}: {open_.reason}"
        for control, open_ in sorted(switches.breakers.items())
    ]
    latched = [f"strategy {genome[:12]} is latched" for genome in sorted(switches.throttled)]
    due = None if book.limits is None else review_due(book, book.limits.review)
    closed = due is not None and book.limits_day is not None and due <= book.limits_day
    if closed and scope is Scope.PAPER:  # a replay is looked at by whoever runs it
        latched.append(f"entries are closed since {due}, nobody looked at the trades: {REVIEW}")
    if state is TradingState.ACTIVE and not latched:
        return Check(name, Health.OK, state.value)
    told = "; ".join(causes + latched) or "by a person"
    return Check(name, Health.RED, f"{state.value}: {told}; see `kasauti resume`")


def _switch(scope: Scope, path: Place, book: Book | None) -> Check:
    halves = {"file": is_stopped(path), "ledger": book is not None and book.latched}
    stopped = [name for name, is_set in halves.items() if is_set]
    name = f"{scope.value} kill switch"
    if not stopped:
        return Check(name, Health.OK, "not set")
    detail = f"set ({' and '.join(stopped)}): `kasauti resume` lifts it"
    return Check(name, Health.RED, detail)


def _agreement(scope: Scope, book: Book) -> Check:
    name = f"{scope.value} account"
    if book.differences:
        return Check(
            name, Health.RED, f"differs from the broker: {'; '.join(book.differences)}: {RECONCILE}"
        )
    held = len(book.positions)
    positions = f"{held} open position{'' if held == 1 else 's'}"
    return Check(name, Health.OK, f"agrees with the broker; {positions}")


def _controls(scope: Scope, book: Book) -> Check:
    silent = not_evaluated(book)
    name = f"{scope.value} controls"
    if silent:
        spoke = book.evaluated.keys() & set(silent)
        what = "not evaluated at the last orders" if spoke else "never evaluated"
        return Check(name, Health.RED, f"{what}: {', '.join(silent)}: {EVALUATE[scope]}")
    oldest = min(book.evaluated.values())
    detail = f"all {len(CONTROLS)} evaluated, none longer ago than {oldest:%Y-%m-%d %H:%M}"
    figures: dict[str, Figure] = {"controls": len(CONTROLS), "longest ago": oldest.isoformat()}
    return Check(name, Health.OK, detail, figures)
