"""DESIGN section 4, rules 3 to 5 and 7: quantity, charges, slippage, shorts and regimes."""

from dataclasses import replace

import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Slippage
from kasauti.genome import Side
from kasauti.market.charges import NSE_CHARGES
from kasauti.regimes.model import UNKNOWN, Regime
from tests.backtest.by_hand import (
    FLAT,
    FREE,
    NAN,
    WARM,
    Case,
    case,
    check,
    fraction,
)

CASES = {
    "less than one share is no trade": case(
        [FLAT, FLAT, FLAT], [], 99.0, account=replace(FREE, capital=99.0)
    ),
    "exactly one share": case(
        [FLAT, FLAT, (110, 110, 110, 110)],
        [],
        110.0,
        account=replace(FREE, capital=100.0),
        open=1,
    ),
    "less than one share by risk": case(
        # 1 % of 900 rupees is 9, the stop is 10 away
        [FLAT, FLAT, FLAT],
        [],
        900.0,
        account=replace(FREE, capital=900.0),
        risk=0.01,
    ),
    "quantity by risk": case(
        # 1 % of 100,000 / 10
        [FLAT, FLAT, (110, 110, 110, 110)],
        [],
        101_000,
        risk=0.01,
        open=100,
    ),
    "quantity from the equity of the deciding close": case(
        # 1,000 shares lose 10 each; then min(90,000 / 5, 90,000 / 50) = 1,800
        [FLAT, FLAT, (90, 90, 90, 90), (50, 50, 50, 50), (50, 50, 50, 50), (51, 51, 51, 51)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000 + 1800,
        enter=[0, 3],
        open=1800,
    ),
    "half the spread on every fill, the target included": case(
        # buys at 100.1; 100,000 / 100.1 = 999; target at 100.1 + 0.05 * 100.1 = 105.105, less 0.1 %
        [FLAT, FLAT, (100, 106, 100, 106)],
        [(1, 2, 999, 100.1, 105.105 * 0.999, "target")],
        100_000 + 999 * (105.105 * 0.999 - 100.1),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
        target=fraction(0.05),
    ),
    "half the spread on a stop": case(
        [FLAT, FLAT, (95, 96, 80, 85)],
        [(1, 2, 999, 100.1, 90.09 * 0.999, "stop")],
        100_000 + 999 * (90.09 * 0.999 - 100.1),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
    ),
    "impact against the twenty bars before, after sizing, in the stop's base": case(
        # 100 shares of 10,000: 0.05 * sqrt(0.01) = 0.5 %; in at 100.5, stop 10 below at 90.5;
        # out: (19 * 10,000 + 810,000) / 20 = 50,000 before bar 22: 0.05 * sqrt(0.002)
        [*WARM, FLAT, FLAT, (95, 95, 90, 91)],
        [(21, 22, 100, 100.5, 90.5 * (1 - 0.05 * 0.002**0.5), "stop")],
        100_000 + 100 * (90.5 * (1 - 0.05 * 0.002**0.5) - 100.5),
        enter=[20],
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        risk=0.01,
        volume=[10_000.0] * 21 + [810_000.0, 5.0],
    ),
    "the cost of the impact is within the cash": case(
        # 1,000 by cash. 995 shares: 99,500 * (1 + 0.05 * sqrt(0.00995)) = 99,996.25; 996: 100,097.0
        [FLAT, FLAT, FLAT],
        [],
        100_000 - 995 * 100 * 0.05 * 0.00995**0.5,
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        volume=[100_000.0] * 3,
        open=995,
    ),
    "undefined volumes are left out of the mean, zero ones are not": case(
        # (0 + 20,000) / 2 = 10,000 before bar 3; 0.5 % on 100 shares
        [FLAT, FLAT, FLAT, FLAT],
        [],
        100_000 - 100 * 0.5,
        enter=[2],
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        risk=0.01,
        volume=[NAN, 0.0, 20_000.0, 7.0],
        open=100,
    ),
    "minimum brokerage, delivery and the depository's charge": case(
        # 2 % of 5,000 / 10 = 10 shares. In 1,000: 5 + STT 1 + stamp 0.15 + levies 0.0317
        # + GST 0.18 * 5.0317 = 7.087406. Out 1,050: 5 + 1.05 + 0.033285 + GST 0.9059913 + DP 23.60
        [FLAT, FLAT, (105, 105, 105, 105)],
        [(1, 2, 10, 100.0, 105.0, "exit")],
        5_000 + 50 - 7.087406 - 30.5892763,
        account=Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE),
        leave=[1],
        risk=0.02,
    ),
    "an exit in the entry's session is intraday, both legs": case(
        # In 1,000: 5 + stamp 0.03 + levies 0.0317 + GST 0.905706 = 5.967406.
        # Out 900: 5 + STT 0.225 + levies 0.02853 + GST 0.9051354 = 6.1586654
        [FLAT, (100, 101, 89, 95), FLAT],
        [(1, 1, 10, 100.0, 90.0, "stop")],
        5_000 - 100 - 5.967406 - 6.1586654,
        account=Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE),
        risk=0.02,
    ),
    "quantity goes down until it is affordable with its charges": case(
        # 10,020 / (100 * 1.001187406) = 100.08; but 100 cost 10,000 + 23.67 with brokerage.
        # 99: 9,900 + 9.90 + 9.90 + 1.485 + 0.31383 + GST 0.18 * 10.21383 = 9,923.4373194
        [FLAT, FLAT, FLAT],
        [],
        10_020 - 23.4373194,
        account=Account(10_020.0, NSE_CHARGES, NO_SLIPPAGE),
        open=99,
    ),
    "brokerage is at most twenty rupees": case(
        # 1 % of 1,000,000 / 10 = 1,000 shares, 100,000: 20 + 100 + 15 + 3.17 + GST 0.18 * 23.17
        [FLAT, FLAT, FLAT],
        [],
        1_000_000 - 142.3406,
        account=Account(1_000_000.0, NSE_CHARGES, NO_SLIPPAGE),
        risk=0.01,
        open=1000,
    ),
    "short: stop above, mirrored": case(
        [FLAT, FLAT, (105, 111, 104, 105)],
        [(1, 2, 1000, 100.0, 110.0, "stop")],
        90_000,
        side=Side.SHORT,
    ),
    "short: gap through the stop": case(
        [FLAT, FLAT, (115, 116, 114, 115)],
        [(1, 2, 1000, 100.0, 115.0, "stop")],
        85_000,
        side=Side.SHORT,
    ),
    "short: stop before target": case(
        [FLAT, FLAT, (100, 111, 90, 100)],
        [(1, 2, 1000, 100.0, 110.0, "stop")],
        90_000,
        target=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: gap through the target": case(
        [FLAT, FLAT, (90, 120, 89, 110)],
        [(1, 2, 1000, 100.0, 90.0, "target")],
        110_000,
        target=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: the trail follows the lowest low": case(
        # 80 * 1.05 = 84 from bar 2 on
        [FLAT, (100, 101, 80, 82), (82, 85, 81, 83)],
        [(1, 2, 1000, 100.0, 84.0, "trail")],
        116_000,
        trail=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: sells at the bid, buys at the ask": case(
        # 99.9; notional at most the cash: 100,000 / 99.9 = 1,001
        [FLAT, FLAT, (95, 95, 95, 95)],
        [(1, 2, 1001, 99.9, 95 * 1.001, "exit")],
        100_000 + 1001 * (99.9 - 95 * 1.001),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
        leave=[1],
        side=Side.SHORT,
    ),
    "short: marked and still open": case(
        [FLAT, FLAT, (95, 95, 95, 95)], [], 105_000, open=1000, side=Side.SHORT
    ),
    "short: covered by force at the open after equity is gone": case(
        # bar 2 has no open, so no stop fills; at 205 equity is 100,000 - 1,000 * 105
        [FLAT, FLAT, (NAN, 206, 190, 205), (210, 211, 205, 206), FLAT],
        [(1, 3, 1000, 100.0, 210.0, "forced_cover")],
        -10_000,
        enter=[0, 3],
        side=Side.SHORT,
    ),
    "short: a forced cover keeps its name though the exit rule follows": case(
        [FLAT, FLAT, (NAN, 206, 190, 205), (NAN, 160, 150, 150), (150, 150, 150, 150)],
        [(1, 4, 1000, 100.0, 150.0, "forced_cover")],
        50_000,
        leave=[3],
        side=Side.SHORT,
    ),
    "short: no force while equity is above zero": case(
        [FLAT, FLAT, (NAN, 206, 190, 199.99), (199, 199, 199, 199)],
        [(1, 3, 1000, 100.0, 199.0, "stop")],
        1_000,
        side=Side.SHORT,
    ),
    "outside its regimes nothing is entered": case(
        # bull, bear, bear, bull: the deciding bar's label counts, not the filling bar's
        [FLAT, FLAT, FLAT, FLAT, (100, 103, 100, 103)],
        [],
        103_000,
        enter=[1, 3],
        labels=[0, 1, 1, 0, 1],
        regimes=frozenset({Regime.BULL}),
        open=1000,
    ),
    "no entry during the warm-up of the labels": case(
        [FLAT, FLAT, FLAT],
        [],
        100_000,
        labels=[UNKNOWN, 0, 0],
        regimes=frozenset({Regime.BULL, Regime.BEAR, Regime.SIDEWAYS}),
    ),
    "all four regimes are no restriction, not even in the warm-up": case(
        [FLAT, FLAT, (104, 104, 104, 104)],
        [],
        104_000,
        labels=[UNKNOWN, UNKNOWN, UNKNOWN],
        open=1000,
    ),
}


@pytest.mark.parametrize("wanted", CASES.values(), ids=CASES.keys())
def test_a_rule_of_section_4(wanted: Case) -> None:
    check(wanted)
