"""Every control allows what it should, refuses what it should, and refuses what it cannot know."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kasauti.execution.conditions import Conditions
from kasauti.execution.controls import CONTROLS, Comparison, Control, GateInput
from kasauti.execution.controls.model import ENTRY, EVERY
from kasauti.execution.events import TradingState
from kasauti.execution.gate import Passage, judge
from kasauti.execution.model import Offset, OrderSide, Product, Protection, Purpose, Scope
from kasauti.execution.references import Reference
from kasauti.execution.self_test import (
    CONDITIONS,
    DAY,
    DAY_BEFORE,
    HEALTHY,
    INTENT,
    LIMITS,
    NOW,
    PERMIT,
    TRIPS,
    UNUSED,
)
from kasauti.execution.usage import Usage

BY_ID = {control.id: control for control in CONTROLS}
D = Decimal
SQUARE_OFF = NOW + timedelta(hours=5)
PROTECTION = Protection(Offset(D(5)))


def asked(**changes: Any) -> GateInput:
    return replace(HEALTHY, intent=replace(INTENT, **changes))


def used(**changes: Any) -> GateInput:
    return replace(HEALTHY, usage=replace(UNUSED, **changes))


def given(**changes: Any) -> GateInput:
    return replace(HEALTHY, **changes)


def closing(**changes: Any) -> GateInput:
    intent = replace(INTENT, purpose=Purpose.EXIT, side=OrderSide.SELL, protection=None)
    return replace(used(held=10), intent=replace(intent, **changes))


def taken(shares: int) -> Usage:
    return replace(UNUSED, held=10, spoken_for=shares)


def of_series(name: str) -> GateInput:
    return given(reference=Reference("TEST", DAY_BEFORE, D(100), series=name))


def told(**changes: Any) -> GateInput:
    return given(conditions=replace(CONDITIONS, **changes))


def quoted(**changes: Any) -> GateInput:
    return told(quotes={"TEST": replace(CONDITIONS.quotes["TEST"], **changes)})


def ruled(**changes: Any) -> GateInput:
    return given(limits=replace(LIMITS, **changes))


def intraday(square_off: datetime | None) -> GateInput:
    return replace(asked(product=Product.INTRADAY), square_off=square_off)


def targeted(target: Decimal) -> GateInput:
    return asked(protection=replace(PROTECTION, target=Offset(target)))


def seconds(number: float) -> Any:
    return NOW - timedelta(seconds=number)


ROWS: list[tuple[str, str, GateInput, bool]] = [
    ("K01", "latch off", HEALTHY, True),
    ("K01", "latch on", given(latched=True), False),
    ("K02", "replay on paper broker", HEALTHY, True),
    ("K02", "paper on paper broker", given(scope=Scope.PAPER), True),
    ("K02", "another broker", given(broker="angel_one"), False),
    ("K03", "reducing", given(trading_state=TradingState.REDUCING), False),
    ("K03", "halted", given(trading_state=TradingState.HALTED), False),
    ("K04", "replay permit in a replay", HEALTHY, True),
    ("K04", "replay permit in paper", given(scope=Scope.PAPER), False),
    ("K04", "permit of another genome", given(permit=replace(PERMIT, genome_hash="h")), False),
    ("K04", "demoted since", used(demoted_at=NOW - timedelta(hours=1)), False),
    ("K04", "demoted before", used(demoted_at=NOW - timedelta(2)), True),
    ("K04", "expired", given(permit=replace(PERMIT, valid_until=NOW)), False),
    ("K04", "not yet", given(permit=replace(PERMIT, valid_from=NOW + timedelta(1))), False),
    ("K05", "limit entry", HEALTHY, True),
    ("K05", "stop entry", asked(trigger_price=D("100.50")), False),
    ("K05", "stop order", closing(purpose=Purpose.STOP, trigger_price=D("95")), True),
    ("K05", "a short of delivery", asked(side=OrderSide.SELL), False),
    (
        "K05",
        "an intraday short",
        asked(side=OrderSide.SELL, product=Product.INTRADAY),
        True,
    ),
    ("K06", "series EQ", of_series("EQ"), True),
    ("K06", "series of trade to trade", of_series("BE"), False),
    (
        "K06",
        "sale of what has become trade to trade",
        replace(of_series("BE"), intent=closing().intent),
        True,
    ),
    ("K06", "off tick", asked(limit_price=D("101.005")), False),
    ("K06", "trigger off tick", closing(trigger_price=D("95.001")), False),
    ("K06", "zero price", asked(limit_price=D(0)), False),
    ("K06", "negative price", asked(limit_price=D(-101)), False),
    ("K06", "no quantity", asked(quantity=0), False),
    ("K06", "negative quantity", asked(quantity=-5), False),
    ("K06", "part of a lot", given(reference=Reference("TEST", DAY_BEFORE, D(100), 25)), False),
    ("K06", "another symbol", asked(symbol="ELSE"), False),
    ("K07", "at the band", asked(limit_price=D("120.00")), True),
    ("K07", "above the band", asked(limit_price=D("120.01")), False),
    ("K07", "below the band", asked(limit_price=D("79.99")), False),
    ("K08", "at the collar", asked(limit_price=D("105.00")), True),
    ("K08", "above the collar", asked(limit_price=D("105.01")), False),
    ("K08", "below the collar", asked(limit_price=D("94.99")), False),
    ("K08", "exit far off", closing(limit_price=D("85.00")), True),
    ("K09", "one session old", given(fresh_day=DAY), False),
    ("K09", "from the future", given(reference=Reference("TEST", DAY, D(100))), False),
    ("K09C", "bid under ask", HEALTHY, True),
    ("K09C", "crossed", quoted(bid=D("100.10")), False),
    ("K09C", "locked", quoted(bid=D("100.05")), False),
    ("K09C", "no ask", quoted(ask=None), False),
    ("K09C", "bid of 0", quoted(bid=D(0)), False),
    ("K09C", "last price only, paper", quoted(bid=None, ask=None), True),
    (
        "K09C",
        "last price only, live",
        replace(quoted(bid=None, ask=None), broker="angel_one"),
        False,
    ),
    ("K09Q", "a minute old", quoted(at=seconds(60)), True),
    ("K09Q", "older", quoted(at=seconds(61)), False),
    ("K09Q", "from the future", quoted(at=seconds(-3)), False),
    ("K09Q", "bars have none", told(quoted=False, quotes={}), True),
    ("K09R", "at the band", quoted(last=D(120)), True),
    ("K09R", "beyond the band", quoted(last=D("120.05")), False),
    ("K09R", "one hundredth", quoted(last=D(1)), False),
    ("K09R", "negative", quoted(last=D(-100)), False),
    ("K09W", "bars have none", told(quoted=False, quotes={}), True),
    ("K09W", "none of this symbol yet", told(quotes={}), False),
    ("K09W", "of an unknown time", quoted(at=None), False),
    (
        "K10",
        "over the freeze quantity",
        replace(
            asked(quantity=11), reference=Reference("TEST", DAY_BEFORE, D(100), freeze_quantity=10)
        ),
        False,
    ),
    ("K10", "at most", asked(quantity=10_000), True),
    ("K10", "one more", asked(quantity=10_001), False),
    ("K11", "at most", asked(quantity=1_000, limit_price=D(100)), True),
    ("K11", "one more", asked(quantity=1_001, limit_price=D(100)), False),
    ("K12", "fills the rest", used(open_entry_value=D(98_990)), True),
    ("K12", "a paisa over", used(open_entry_value=D("98990.01")), False),
    ("K13", "exactly enough", given(funds=D(1_017)), True),
    ("K13", "charges do not fit", given(funds=D(1_016)), False),
    ("K14", "slot left", used(positions=1), True),
    ("K14", "no slot", used(positions=2), False),
    ("K14", "held already", used(held=1), False),
    ("K14", "entry at work", used(working_entries=1), False),
    ("K14", "room in strategy and sector", ruled(strategy_share=D("0.0101")), True),
    ("K14", "strategy full", ruled(strategy_share=D("0.0100")), False),
    (
        "K14",
        "sector full",
        replace(ruled(sector_share=D("0.5")), usage=replace(UNUSED, sector_value=D(49_000))),
        False,
    ),
    ("K15", "fills the rest", used(gross=D(98_990)), True),
    ("K15", "over with open orders", used(gross=D(50_000), open_entry_value=D(49_000)), False),
    ("K16", "one sent", used(sent_this_second=1), True),
    ("K16", "two sent", used(sent_this_second=2), False),
    ("K16", "119 this minute", used(sent_this_minute=119), True),
    ("K16", "120 this minute", used(sent_this_minute=120), False),
    ("K16D", "200 sent today", used(sent_today=200), False),
    ("K17", "one like it", used(duplicates=1), False),
    ("K18", "one unanswered", used(unconfirmed=1), False),
    ("K19", "twice today", used(repeats=2), True),
    ("K19", "three times today", used(repeats=3), False),
    ("K19", "latched", used(throttled=True), False),
    ("K20", "meets our own order", used(crossing=1), False),
    ("K21", "another symbol is listed", told(restricted=frozenset({"OTHER"})), True),
    ("K21", "ban of the exchange", told(restricted=frozenset({"TEST"})), False),
    ("K21", "the user's list", ruled(restricted=("OTHER", "TEST")), False),
    ("K22", "a rupee left", used(profit_today=D(-1_999)), True),
    ("K22", "lost it all", used(profit_today=D(-2_000)), False),
    ("K23", "fell by a fifth, nearly", used(drawdown=D("0.1999")), True),
    ("K23", "fell by a fifth", used(drawdown=D("0.20")), False),
    ("K24", "next session", used(sessions_since_stop=1), True),
    ("K24", "same session", used(sessions_since_stop=0), False),
    ("K24L", "rested for a week", used(sessions_since_losses=5), True),
    ("K24L", "the day before the week is over", used(sessions_since_losses=4), False),
    ("K25", "at the open", HEALTHY, True),
    ("K25", "before the open", given(now=NOW - timedelta(seconds=1)), False),
    ("K25", "after the window", given(now=NOW + timedelta(minutes=10)), False),
    ("K25", "shut", given(session=None), False),
    ("K25", "intraday before square-off", intraday(SQUARE_OFF), True),
    ("K25", "intraday at square-off", intraday(NOW), False),
    ("K25", "intraday, square-off not known", intraday(None), False),
    ("K25", "held over night after square-off", given(square_off=NOW), True),
    ("K26", "yesterday's login", told(login_day=DAY_BEFORE), False),
    ("K26", "no login", told(login_day=None), False),
    ("K26", "another address", told(ip="192.0.2.2"), False),
    ("K26", "no address", told(ip=None, registered_ip=None), False),
    ("K27", "30 s ago", told(feed_at=seconds(30)), True),
    ("K27", "price feed silent", told(feed_at=seconds(31)), False),
    ("K27", "order feed silent", told(order_feed_at=seconds(31)), False),
    ("K27", "never heard of", told(feed_at=None), False),
    ("K28", "differences", given(comparison=Comparison(NOW, ("TEST",))), False),
    ("K28", "an hour ago", given(comparison=Comparison(NOW - timedelta(hours=1), ())), False),
    ("K28", "from the future", given(comparison=Comparison(NOW + timedelta(1), ())), False),
    ("K29", "2 s ahead", told(broker_time=seconds(2)), True),
    ("K29", "3 s ahead", told(broker_time=seconds(3)), False),
    ("K29", "3 s behind", told(broker_time=seconds(-3)), False),
    ("K29", "not known", told(broker_time=None), False),
    ("K29", "set back behind our last order", used(last_sent=seconds(-60)), False),
    ("K30", "exit of all", closing(), True),
    ("K30", "exit of more", closing(quantity=11), False),
    ("K30", "exit beside a resting stop", replace(closing(), usage=taken(10)), False),
    ("K30", "exit of what is left", replace(closing(quantity=4), usage=taken(6)), True),
    ("K30", "exit of nothing", replace(closing(), usage=UNUSED), False),
    ("K30", "exit the wrong way", closing(side=OrderSide.BUY), False),
    ("K30", "entry against a short", used(held=-5), False),
    ("K31", "lease lost", given(lease_held=False), False),
    ("K32", "another symbol is halted", told(halted=frozenset({"OTHER"})), True),
    ("K32", "the symbol is halted", told(halted=frozenset({"TEST"})), False),
    ("K32", "the market is halted", told(market_halted=True), False),
    ("K33", "yesterday's self-test", given(self_tested=DAY_BEFORE), False),
    ("K34", "no head", given(ledger_head=""), False),
    ("K34", "a full disk", given(room=False), False),
    ("K35", "one left", used(entries_today=1), True),
    ("K35", "none left", used(entries_today=2), False),
    ("K35", "yesterday's limits", given(limits_day=DAY_BEFORE), False),
    ("K35R", "due tomorrow", used(review_due=DAY + timedelta(1)), True),
    ("K35R", "due today", used(review_due=DAY), False),
    ("K35S", "starts today", ruled(start=DAY), True),
    ("K35S", "starts tomorrow", ruled(start=DAY + timedelta(1)), False),
    ("K36", "stop loss and charges fit", HEALTHY, True),
    ("K36", "charges too high", given(exit_charges=D(943)), False),
    ("K36", "exactly the limit", given(exit_charges=D("942.50")), True),
    ("K36", "no protection", asked(protection=None), False),
    ("K36", "target above", targeted(D(5)), True),
    ("K36", "target below", targeted(D(-5)), False),
    ("K36", "target at the price", targeted(D(0)), False),
    ("K36", "target that is no number", targeted(D("NaN")), False),
    ("K36", "target without end", targeted(D("Infinity")), False),
    ("K36", "stop above", asked(protection=Protection(Offset(D(-5)))), False),
    ("K36", "stop below zero", asked(protection=Protection(Offset(D(102)))), False),
    ("K37", "two lost", used(losing_streak=2), True),
    ("K37", "three lost", used(losing_streak=3), False),
]


@pytest.mark.parametrize(
    ("control", "case", "shown", "passes"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS]
)
def test_what_a_control_allows(control: str, case: str, shown: GateInput, passes: bool) -> None:
    decision = BY_ID[control].decide(shown)
    assert decision.passed is passes, decision
    assert decision.figures, "a control says what it compared"


def test_every_control_has_rows_both_ways() -> None:
    refusing = {row[0] for row in ROWS if not row[3]}
    assert refusing == set(BY_ID), "each control is seen to refuse"
    assert all(control.decide(HEALTHY).passed for control in CONTROLS), "and to allow"


JUDGED_BY = {
    "latched": "K01",
    "broker": "K02",
    "scope": "K02 K04",
    "trading_state": "K03",
    "permit": "K04",
    "tick": "K06",
    "reference": "K06 K07 K08 K09 K09R K10",
    "fresh_day": "K09",
    "limits": "K07 K08 K09R K10 K11 K12 K14 K15 K16D K19 K21 K22 K23 K24 K24L K35 K35S K36 K37",
    "limits_day": "K35",
    "funds": "K13",
    "entry_charges": "K13 K36",
    "exit_charges": "K36",
    "usage": "K04 K12 K14 K15 K16 K16D K17 K18 K19 K20 K22 K23 K24 K24L K29 K30 K35 K35R K37",
    "session": "K25",
    "square_off": "K25",
    "comparison": "K28",
    "lease_held": "K31",
    "ledger_head": "K34",
    "room": "K34",
    "conditions": "K09C K09Q K09R K09W K21 K26 K27 K29 K32",
    "self_tested": "K33",
}


@pytest.mark.parametrize("name", JUDGED_BY)
def test_what_is_not_known_denies(name: str) -> None:
    unknown: dict[str, Any] = {name: None}
    whole = intraday(SQUARE_OFF) if name == "square_off" else HEALTHY
    ruling = judge(CONTROLS, replace(whole, **unknown))
    refused = {decision.control for decision in ruling.decisions if not decision.passed}
    assert refused == set(JUDGED_BY[name].split())
    assert ruling.passage is Passage.DENIED or name == "usage"
    assert ruling.passage is not Passage.SENT


def test_the_table_above_names_every_input() -> None:
    names = {item.name for item in fields(GateInput)} - {"now", "intent", "faults"}
    assert names == set(JUDGED_BY)
    assert set(" ".join(JUDGED_BY.values()).split()) == set(BY_ID) - {"K05"}


NOT_TOLD = {
    "login_day": "K26",
    "ip": "K26",
    "registered_ip": "K26",
    "feed_at": "K27",
    "order_feed_at": "K27",
    "broker_time": "K29",
    "halted": "K32",
    "market_halted": "K32",
    "restricted": "K21",
}


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_a_broker_does_not_tell_denies(name: str) -> None:
    ruling = judge(CONTROLS, told(**{name: None}))
    refused = {decision.control for decision in ruling.decisions if not decision.passed}
    assert (ruling.passage, refused) == (Passage.DENIED, {NOT_TOLD[name]})
    assert getattr(Conditions(), name) is None, "a broker that says nothing of it has said nothing"


NAN = D("NaN")
UNDEFINED = [
    ("limit price", asked(limit_price=NAN)),
    ("trigger price", closing(trigger_price=NAN)),
    ("infinite limit price", asked(limit_price=D("Infinity"))),
    ("reference close", given(reference=Reference("TEST", DAY_BEFORE, NAN))),
    ("tick", given(tick=NAN)),
    ("funds", given(funds=NAN)),
    ("infinite funds", given(funds=D("Infinity"))),
    ("infinite profit", used(profit_today=D("Infinity"))),
    ("entry charges", given(entry_charges=NAN)),
    ("exit charges", given(exit_charges=NAN)),
    ("profit today", used(profit_today=NAN)),
    ("gross", used(gross=NAN)),
    ("open entry value", used(open_entry_value=NAN)),
    ("stop", asked(protection=Protection(Offset(NAN)))),
    ("drawdown", used(drawdown=NAN)),
    ("value of the strategy", used(strategy_value=NAN)),
    ("value of the sector", used(sector_value=NAN)),
    ("last price", quoted(last=NAN)),
    ("infinite last price", quoted(last=D("Infinity"))),
    ("bid", quoted(bid=NAN)),
    ("ask", quoted(ask=NAN)),
]


@pytest.mark.parametrize(("name", "shown"), UNDEFINED, ids=[name for name, _ in UNDEFINED])
def test_an_undefined_figure_denies(name: str, shown: GateInput) -> None:
    assert judge(CONTROLS, shown).passage is Passage.DENIED


@pytest.mark.parametrize("fault", [ValueError, ZeroDivisionError, KeyError, RuntimeError, OSError])
def test_a_control_that_raises_denies(fault: type[Exception]) -> None:
    def broken(shown: GateInput) -> tuple[bool, dict[str, str]]:
        raise fault("broken")

    ruling = judge([*CONTROLS, Control("K99", "BROKEN", broken)], HEALTHY)
    assert (ruling.passage, ruling.code) == (Passage.DENIED, "BROKEN")
    assert fault.__name__ in ruling.decisions[-1].figures["fault"]


def test_a_control_that_answers_anything_but_true_denies() -> None:
    def vague(shown: GateInput) -> tuple[bool, dict[str, str]]:
        return 1, {}  # type: ignore[return-value]  # what a careless control might do

    assert judge([Control("K99", "VAGUE", vague)], HEALTHY).passage is Passage.DENIED


def test_limits_never_trap_an_exit() -> None:
    """Only mode, order sanity, reduce-only, the lease and the rate may hold an exit up."""
    assert {c.id for c in CONTROLS if c.binds != ENTRY} == {
        "K02",
        "K05",
        "K06",
        "K16",
        "K30",
        "K31",
    }
    assert all(c.binds in (ENTRY, EVERY) for c in CONTROLS)
    bad = replace(
        closing(),
        latched=True,
        trading_state=TradingState.HALTED,
        permit=None,
        limits=None,
        funds=None,
        comparison=None,
        session=None,
        conditions=None,
        self_tested=None,
        reference=Reference("TEST", DAY_BEFORE - timedelta(9), D(300)),
        usage=replace(UNUSED, held=10, profit_today=D(-99_999), losing_streak=9),
    )
    assert judge(CONTROLS, bad).passage is Passage.SENT
    assert judge(CONTROLS, replace(bad, reference=None)).passage is Passage.SENT


def test_the_rate_delays_and_any_other_refusal_denies() -> None:
    fast = used(sent_this_second=2)
    assert judge(CONTROLS, fast).passage is Passage.DELAYED
    assert judge(CONTROLS, replace(fast, latched=True)).passage is Passage.DENIED


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_every_trip_trips_its_control(control: Control) -> None:
    assert not control.decide(TRIPS[control.id](HEALTHY)).passed
