"""The long table of standard indicators."""

import numpy as np
import talib

from kasauti.features.table import COLUMNS, feature_table
from kasauti.market.bars import Bars


def test_one_row_a_symbol_and_bar_with_talib_values(gappy: Bars) -> None:
    table = feature_table(gappy)
    assert list(table.columns) == ["symbol", "date", "close", *COLUMNS]
    assert len(table) == int((~np.isnan(gappy.close)).sum())
    assert not table.duplicated(["symbol", "date"]).any()
    assert list(table["symbol"].unique()) == list(gappy.symbols)
    for row, symbol in enumerate(gappy.symbols):
        part = table[table["symbol"] == symbol]
        assert part["date"].is_monotonic_increasing
        close = gappy.close[row][~np.isnan(gappy.close[row])]
        np.testing.assert_array_equal(part["close"], close)
        np.testing.assert_array_equal(part["rsi_14"], talib.RSI(close, 14))
        np.testing.assert_array_equal(part["sma_200"], talib.SMA(close, 200))


def test_every_column_has_values_and_none_is_infinite(stocks: Bars) -> None:
    table = feature_table(stocks)
    values = table[list(COLUMNS)].to_numpy()
    assert not np.isinf(values).any()
    assert (~np.isnan(values)).mean(axis=0).min() > 0.5


def test_intraday_bars_have_a_timestamp() -> None:
    times = np.datetime64("2026-07-13T09:15:00", "s") + 300 * np.arange(3)
    price = np.array([[1.0, 2.0, 3.0]])
    table = feature_table(Bars("nse", ("A",), times, price, price, price, price, price))
    assert table["timestamp"].astype(str).tolist()[1] == "2026-07-13 09:20:00"
    assert table["return_1"].tolist()[1:] == [1.0, 0.5]
