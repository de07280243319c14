"""A paper account that traded two sessions: a loss by a stop, then what is still held."""

from decimal import Decimal

from kasauti.execution.model import Scope
from kasauti.execution.nightly import record
from kasauti.execution.twin_rows import Kind, Leg, TwinRow
from kasauti.home import Home
from tests.execution.world import LIMITS, TODAY, TOMORROW, World, at, entry, permit, world

FIRST, SECOND = TODAY, TOMORROW  # Wednesday 15 and Thursday 16 July 2026
EVENING = at(19, day=SECOND)
HOSTILE = "<script>alert('x')</script>"


def compared(within: bool = True) -> TwinRow:
    return TwinRow(
        FIRST, "g", "TEST", Leg.ENTRY, Kind.PRICE, 10, 10, Decimal("100.05"), Decimal("100.25"),
        "entry", "ENTRY", "filled later in the session", within,
    )  # fmt: skip


def two_days(home: Home, *, scope: Scope = Scope.PAPER, within: bool = True) -> None:
    """Trade: TEST is stopped out on the first day, OTHER is bought on the second and held."""
    folder = home.root if scope is Scope.PAPER else home.replay
    with world(folder, scope=scope, permits={"g": permit(scope)}) as w:
        _first_day(w)
        record(w.ledger, FIRST, ["g"], [compared(within)], now=at(18, 30))
        _second_day(w)


def _first_day(w: World) -> None:
    w.tick(at(9, 15), "100")
    w.desk.submit(entry(), at(9, 15))
    w.desk.step(at(9, 15))
    w.tick(at(9, 16), "100.25")
    w.tick(at(11), "94.80")  # the stop stands 5 % under the fill
    w.tick(at(11, 1), "94.60")
    late = {"valid_from": at(11, 2), "valid_until": at(11, 12)}
    w.desk.submit(entry("THIRD", genome_hash="nobody's", key="n|v|THIRD|ENTRY", **late), at(11, 2))
    w.desk.step(at(11, 2))
    w.desk.close_session(at(15, 30), {})


def _second_day(w: World) -> None:
    opens = at(9, 15, day=SECOND)
    w.desk.review(by="Asha", reason="looked", now=at(8, day=SECOND))
    for symbol, known in list(w.references.items()):
        w.references[symbol] = known.__class__(symbol, FIRST, known.close)
    w.desk.reconcile(opens, always_record=True)
    w.desk.open_session(opens, LIMITS)
    w.tick(opens, "100", symbol="OTHER")
    wanted = entry(
        "OTHER", key="g|w|OTHER|ENTRY", valid_from=opens, valid_until=at(9, 25, day=SECOND)
    )
    w.desk.submit(wanted, opens)
    w.desk.step(opens)
    w.tick(at(9, 16, day=SECOND), "100.50", symbol="OTHER")
    w.desk.close_session(at(15, 30, day=SECOND), {"OTHER": Decimal("103.20")})
