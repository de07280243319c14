"""The two ribbons: small, and drawn for every kind of bars."""

import numpy as np
import pytest

from kasauti.operations.regime_plots import ribbons
from tests.operations.example import panel

BARS = panel(("NIFTY",), 1500)
CODES = np.repeat(np.array([-1, 0, 1, 2, 3], dtype=np.int8), 300)


@pytest.mark.parametrize("count", [0, 1, 1500])
def test_both_ribbons_are_drawn(count: int) -> None:
    is_bear = CODES == 1
    plot = ribbons(BARS.times[:count], BARS.close[0, :count], CODES[:count], is_bear[:count], "x")
    assert 1_000 < len(plot.png()) < 80_000
    assert "as known later" in plot.alt
    assert ("20% of bars" in plot.alt.replace(" %", "%")) is (count == 1500)


def test_the_second_ribbon_shows_hindsight() -> None:
    bears, none = CODES == 1, np.zeros(1500, dtype=bool)
    drawn = [ribbons(BARS.times, BARS.close[0], CODES, one).png() for one in (bears, none)]
    assert drawn[0] != drawn[1]
