"""DESIGN section 4, rules 1, 2 and 6: when what fills; the plain account is in `by_hand`."""

import pytest

from tests.backtest.by_hand import (
    FLAT,
    NAN,
    NOTHING,
    WARM,
    Case,
    atr,
    case,
    check,
    fraction,
)

CASES = {
    "decided on the close, filled at the next open": case(
        # 100,000 / (0.1 * 102) = 9,803 by risk, 100,000 / 102 = 980 by cash
        [FLAT, (102, 103, 101, 103), (103, 104, 103, 104), (105, 106, 104, 104)],
        [(1, 3, 980, 102.0, 105.0, "exit")],
        100_000 + 980 * 3,
        leave=[2],
    ),
    "no entry where the exit rule is true on the same bar": case(
        [FLAT, FLAT, FLAT], [], 100_000, leave=[0]
    ),
    "an entry is ignored while a position is open": case(
        [FLAT, FLAT, FLAT, FLAT, (104, 104, 104, 104)],
        [(1, 4, 1000, 100.0, 104.0, "exit")],
        104_000,
        enter=[0, 1, 2],
        leave=[3],
    ),
    "exit and entry on the same bar: out, and not in again": case(
        [FLAT, FLAT, FLAT, FLAT],
        [(1, 3, 1000, 100.0, 100.0, "exit")],
        100_000,
        enter=[0, 2],
        leave=[2],
    ),
    "an exit that was filled does not close the next position": case(
        [FLAT, FLAT, FLAT, FLAT, FLAT, FLAT, (101, 101, 101, 101)],
        [(1, 3, 1000, 100.0, 100.0, "exit")],
        101_000,
        enter=[0, 3],
        leave=[2],
        open=1000,
    ),
    "flat again by a stop at the close that decides: in at the next open": case(
        # 90,000 / (0.1 * 100) = 9,000 by risk, 90,000 / 100 = 900 by cash
        [FLAT, FLAT, (95, 95, 85, 100), FLAT, (100, 110, 100, 110)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000 + 900 * 10,
        enter=[0, 2],
        open=900,
    ),
    "no entry from the bar before a time stop, while the position is open": case(
        [FLAT, FLAT, FLAT, FLAT, FLAT],
        [(1, 3, 1000, 100.0, 100.0, "max_bars")],
        100_000,
        enter=[0, 2],
        max_bars=2,
    ),
    "gap through the stop fills at the open": case(
        [FLAT, FLAT, (85, 86, 84, 85)], [(1, 2, 1000, 100.0, 85.0, "stop")], 85_000
    ),
    "open exactly at the stop": case(
        [FLAT, FLAT, (90, 99, 90, 99)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "stop during the bar": case(
        [FLAT, FLAT, (95, 96, 89, 92)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "low exactly at the stop": case(
        [FLAT, FLAT, (95, 96, 90, 92)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "low just above the stop": case([FLAT, FLAT, (95, 96, 90.01, 92)], [], 92_000, open=1000),
    "stop on the entry bar": case(
        [FLAT, (100, 101, 89, 95), FLAT], [(1, 1, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "target on the entry bar": case(
        [FLAT, (100, 105, 99, 100), FLAT],
        [(1, 1, 1000, 100.0, 105.0, "target")],
        105_000,
        target=fraction(0.05),
    ),
    "stop before target in the same bar": case(
        [FLAT, FLAT, (100, 106, 89, 100)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000,
        target=fraction(0.05),
    ),
    "gap through the target, though the bar falls to the stop": case(
        [FLAT, FLAT, (108, 109, 80, 85)],
        [(1, 2, 1000, 100.0, 108.0, "target")],
        108_000,
        target=fraction(0.05),
    ),
    "open exactly at the target, though the bar falls to the stop": case(
        [FLAT, FLAT, (105, 106, 80, 85)],
        [(1, 2, 1000, 100.0, 105.0, "target")],
        105_000,
        target=fraction(0.05),
    ),
    "gap through the stop, though the bar rises to the target": case(
        [FLAT, FLAT, (88, 120, 88, 119)],
        [(1, 2, 1000, 100.0, 88.0, "stop")],
        88_000,
        target=fraction(0.05),
    ),
    "a rule exit comes before a gap through the stop": case(
        [FLAT, FLAT, (85, 86, 84, 85)],
        [(1, 2, 1000, 100.0, 85.0, "exit")],
        85_000,
        leave=[1],
    ),
    "a rule exit at the open comes before the same bar's stop": case(
        [FLAT, FLAT, (99, 99, 80, 85)],
        [(1, 2, 1000, 100.0, 99.0, "exit")],
        99_000,
        leave=[1],
    ),
    "rule and time exit at one open: the rule": case(
        [FLAT, FLAT, (101, 101, 101, 101)],
        [(1, 2, 1000, 100.0, 101.0, "exit")],
        101_000,
        leave=[1],
        max_bars=1,
    ),
    "a time exit comes before a gap through the target": case(
        [FLAT, FLAT, (120, 120, 120, 120)],
        [(1, 2, 1000, 100.0, 120.0, "max_bars")],
        120_000,
        max_bars=1,
        target=fraction(0.05),
    ),
    "time stop at the open of entry bar + max_bars": case(
        [FLAT, FLAT, FLAT, FLAT, (103, 103, 103, 103)],
        [(1, 4, 1000, 100.0, 103.0, "max_bars")],
        103_000,
        max_bars=3,
    ),
    "the trail starts at the fill price": case(
        [FLAT, (100, 101, 95, 96), FLAT],
        [(1, 1, 1000, 100.0, 95.0, "trail")],
        95_000,
        trail=fraction(0.05),
    ),
    "the entry bar's high moves the trail on the next bar only": case(
        # bar 1 falls to 99 after 110 without harm; then 110 * 0.95 = 104.5
        [FLAT, (100, 110, 99, 106), (106, 107, 104, 105)],
        [(1, 2, 1000, 100.0, 104.5, "trail")],
        104_500,
        trail=fraction(0.05),
    ),
    "a later high moves the trail on the bar after it only": case(
        # bar 2: trail 104.5, low 105, high 120; bar 3: 114
        [FLAT, (100, 110, 99, 106), (106, 120, 105, 119), (118, 119, 110, 111)],
        [(1, 3, 1000, 100.0, 114.0, "trail")],
        114_000,
        trail=fraction(0.05),
    ),
    "the trail never falls back": case(
        [FLAT, (100, 110, 99, 106), (106, 108, 105, 107), (107, 107, 104, 105)],
        [(1, 3, 1000, 100.0, 104.5, "trail")],
        104_500,
        trail=fraction(0.05),
    ),
    "gap through the trail": case(
        [FLAT, (100, 110, 99, 106), (103, 104, 102, 103)],
        [(1, 2, 1000, 100.0, 103.0, "trail")],
        103_000,
        trail=fraction(0.05),
    ),
    "a trail wider than the stop: the stop decides until it is tighter": case(
        [FLAT, FLAT, (95, 96, 89, 92)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000,
        trail=fraction(0.20),
    ),
    "stop and trail at one level are the stop": case(
        [FLAT, (100, 100, 89, 92), FLAT],
        [(1, 1, 1000, 100.0, 90.0, "stop")],
        90_000,
        trail=fraction(0.10),
    ),
    "an ATR stop is frozen at the deciding bar": case(
        # ATR 2 on bar 19: stop 4 away at 96, 1 % of 100,000 / 4 = 250 shares; bar 20's range is 40
        [*WARM, (100, 138, 98, 100), (100, 100, 95, 97)],
        [(20, 21, 250, 100.0, 96.0, "stop")],
        100_000 - 250 * 4,
        enter=[19],
        stop=atr(2.0),
        risk=0.01,
    ),
    "an ATR of zero is no trade": case(
        [(100, 100, 100, 100)] * 22, [], 100_000, enter=[19], stop=atr(2.0)
    ),
    "an ATR target": case(
        [*WARM, FLAT, (101, 107, 101, 106)],
        [(20, 21, 1000, 100.0, 106.0, "target")],
        106_000,
        enter=[19],
        target=atr(3.0),
    ),
    "an ATR trail keeps its distance in rupees": case(
        # 2 * 1.5 = 3 below the high of 150
        [*WARM, (100, 150, 99, 149), (149, 149, 146, 148)],
        [(20, 21, 1000, 100.0, 147.0, "trail")],
        147_000,
        enter=[19],
        trail=atr(1.5),
    ),
    "an undefined ATR is no trade": case([FLAT, FLAT, FLAT], [], 100_000, stop=atr(2.0)),
    "an undefined ATR of the target is no trade": case(
        [FLAT, FLAT, FLAT], [], 100_000, target=atr(2.0)
    ),
    "an entry due on an undefined open lapses": case(
        [FLAT, (NAN, 101, 99, 100), FLAT, FLAT], [], 100_000
    ),
    "an entry due on an undefined low lapses": case(
        [FLAT, (100, 101, NAN, 100), FLAT, FLAT], [], 100_000
    ),
    "a close without the other prices decides": case(
        [(NAN, NAN, NAN, 100), FLAT, (104, 104, 104, 104)], [], 104_000, open=1000
    ),
    "an undefined close decides nothing": case([NOTHING, FLAT, FLAT, FLAT], [], 100_000),
    "an exit waits for the next whole bar": case(
        [FLAT, FLAT, NOTHING, (NAN, 99, 97, 98), (97, 98, 96, 97)],
        [(1, 4, 1000, 100.0, 97.0, "exit")],
        97_000,
        leave=[1],
    ),
    "a time stop waits for the next whole bar": case(
        [FLAT, FLAT, NOTHING, (97, 98, 96, 97)],
        [(1, 3, 1000, 100.0, 97.0, "max_bars")],
        97_000,
        max_bars=1,
    ),
    "an exit rule on an undefined close is not read": case(
        [FLAT, FLAT, NOTHING, FLAT, FLAT], [], 100_000, leave=[2], open=1000
    ),
    "nothing fills on a bar that is not whole": case(
        [FLAT, FLAT, (NAN, 130, 50, 95), (95, 96, 94, 95)],
        [],
        95_000,
        target=fraction(0.05),
        open=1000,
    ),
    "a bar that is not whole moves no trail": case(
        [FLAT, FLAT, (NAN, 200, 95, 100), FLAT], [], 100_000, trail=fraction(0.09), open=1000
    ),
    "marked at the last close": case(
        [FLAT, (100, 104, 99, 103), NOTHING, (103, 103, 103, 103)], [], 103_000, open=1000
    ),
    "an open position is no trade": case(
        [FLAT, FLAT, (107, 107, 107, 107)], [], 107_000, open=1000
    ),
}


@pytest.mark.parametrize("wanted", CASES.values(), ids=CASES.keys())
def test_a_rule_of_section_4(wanted: Case) -> None:
    check(wanted)
