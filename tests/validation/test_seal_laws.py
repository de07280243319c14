import dataclasses
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.market.bars import Bars
from kasauti.validation.seal import Vault
from tests.validation.synthetic import make_bars

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def late_and_early() -> Bars:
    """Three symbols: one trades throughout, one stops and one starts on the way."""
    bars = make_bars(("AAA", "BBB", "CCC"), 300)
    close = bars.close.copy()
    close[1, 180:] = np.nan
    close[2, :120] = np.nan
    return dataclasses.replace(bars, close=close)


PANEL = late_and_early()


@st.composite
def panels(draw: st.DrawFn) -> Bars:
    symbols = draw(st.sets(st.sampled_from(PANEL.symbols), min_size=1))
    start = draw(st.sampled_from([0, 60, 110, 200]))
    stop = draw(st.sampled_from([stop for stop in (130, 180, 250, 300) if stop > start]))
    return PANEL.select(tuple(sorted(symbols))).between(start, stop)


def days(bars: Bars | None) -> set[date]:
    return set() if bars is None else set(bars.sessions.tolist())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(panels(), min_size=1, max_size=4))
def test_what_counts_as_unseen_was_never_searched(admissions: list[Bars]) -> None:
    """Whatever panels arrive in whatever order, no symbol's counted bars are ever searched."""
    searched: dict[str, set[date]] = {symbol: set() for symbol in PANEL.symbols}
    counted: dict[str, set[date]] = {symbol: set() for symbol in PANEL.symbols}
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder))
        for bars in admissions:
            admitted = vault.admit(bars, now=NOW)
            assert days(admitted.searched) <= days(bars)
            assert days(admitted.searched).isdisjoint(days(admitted.forward))
            for symbol in bars.symbols:
                searched[symbol] |= days(admitted.searched)
            seal = admitted.seal
            if seal is not None:
                for symbol in seal.symbols:
                    counted[symbol] |= {
                        day for day in days(PANEL) if seal.counts_from <= day <= seal.last
                    }
            for symbol in PANEL.symbols:
                assert searched[symbol].isdisjoint(counted[symbol])
            again = vault.admit(bars, now=NOW)
            assert again.searched.data_version == admitted.searched.data_version
            assert again.seal == admitted.seal
        vault.verify()
