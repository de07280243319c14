"""Bad input to a backtest is refused before any kernel runs, and the message names the field.

Panels are refused where they are made, see tests/market/test_bars.py; here is the rest, and that
what a file may hold becomes a sound panel or a refusal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import Account, Backtester, Slippage
from kasauti.errors import DataError, KasautiError
from kasauti.kernels import _genomes
from kasauti.market.bars import FIELDS, PRICE_FIELDS
from kasauti.market.charges import NSE_CHARGES, RATE_FIELDS, ChargeSchedule
from kasauti.market.sources import load_folder
from kasauti.regimes.model import OnlineLabels
from tests.evolution.small import bars

LENGTH = 300
BARS = bars(LENGTH)
ROW = NSE_CHARGES.rows[0]
GENOMES = _genomes()


@dataclass(frozen=True)
class Case:
    """A call that must be refused, and the words that its message has to hold."""

    call: Callable[[], Any]
    words: str


def labels(*codes: int) -> OnlineLabels:
    return OnlineLabels(np.array(codes, dtype=np.int8))


def prepared() -> Backtester:
    return Backtester(BARS, labels=OnlineLabels(np.zeros(LENGTH, dtype=np.int8)))


def _account() -> Iterator[tuple[str, Case]]:
    for value in (0.0, -1.0, np.nan, np.inf, -np.inf):
        yield f"capital-{value}", Case(partial(Account, value), "capital is")
    for value in (-1e-9, 1.0, np.nan, np.inf):
        spread = Case(partial(Slippage, value), "half spread is")
        yield f"half-spread-{value}", spread
        yield f"impact-{value}", Case(partial(Slippage, 0.0, value), "impact is")


def _charges() -> Iterator[tuple[str, Case]]:
    for name in RATE_FIELDS:
        wrong: tuple[Any, ...] = ("-0.0001", "NaN", "sNaN", "Infinity")
        for text in (*wrong, *(() if name.endswith("_rupees") else ("1",))):
            changes: dict[str, Any] = {name: Decimal(text)}
            yield (
                f"{name}={text}",
                Case(partial(replace, ROW, **changes), f"charge {name} from {ROW.since} is"),
            )
    number: Any = 0.18
    yield "float-rate", Case(lambda: replace(ROW, gst=number), "charge gst .* give a Decimal")
    yield "no-rates", Case(lambda: ChargeSchedule("none", ()), "has no rows")
    earlier = replace(ROW, since=date(2000, 1, 1))
    yield (
        "rates-out-of-order",
        Case(lambda: ChargeSchedule("mine", (ROW, earlier)), "schedule mine: order its rows"),
    )


def _labels() -> Iterator[tuple[str, Case]]:
    yield "label-too-large", Case(lambda: labels(0, 1, 4, 0), "regime label 2 is 4")
    yield "label-too-small", Case(lambda: labels(-1, -2), "regime label 1 is -2")
    text: Any = np.array(["bull"])
    yield "labels-of-text", Case(lambda: OnlineLabels(text), "labels have type <U4")
    numbers: Any = np.zeros(3)
    yield "labels-of-floats", Case(lambda: OnlineLabels(numbers), "labels have type float64")
    table = np.zeros((2, 3), dtype=np.int8)
    yield "labels-of-a-table", Case(lambda: OnlineLabels(table), "2 dimensions")
    for length in (0, LENGTH - 1, LENGTH + 1):
        short = OnlineLabels(np.zeros(length, dtype=np.int8))
        case = Case(partial(Backtester, BARS, labels=short), f"labels .*{length}.*{LENGTH}")
        yield f"{length}-labels", case


def _windows() -> Iterator[tuple[str, Case]]:
    for start, stop in ((-1, None), (0, 0), (5, 5), (7, 5), (LENGTH, None), (0, -1)):
        window = f"window {start} to {LENGTH if stop is None else stop}"
        for name, method in (("run", Backtester.run), ("returns", Backtester.returns)):
            yield (
                f"{name}-{start}-{stop}",
                Case(partial(method, prepared(), GENOMES[0], start, stop), window),
            )


def _panels() -> Iterator[tuple[str, Case]]:
    yield "no-bars", Case(lambda: Backtester(BARS.between(0, 0)), "no bars to backtest on")
    yield "no-symbols", Case(lambda: Backtester(BARS.select(())), "no bars to backtest on")


CASES = dict([*_account(), *_charges(), *_labels(), *_windows(), *_panels()])


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_by_the_name_of_its_field(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasauti.features.evaluate.Features.evaluate", _too_late)
    with pytest.raises(KasautiError, match=CASES[name].words):
        CASES[name].call()


def _too_late(*arguments: object) -> None:
    raise AssertionError("a kernel ran on bad input")


def test_a_window_beyond_the_last_bar_ends_with_it() -> None:
    whole, beyond = prepared().run(GENOMES[0]), prepared().run(GENOMES[0], 0, LENGTH + 100)
    np.testing.assert_array_equal(whole.equity, beyond.equity)


WRITTEN = [(name, text) for name in FIELDS for text in ("inf", "-Infinity", "1e999", "-1", "ten")]


@pytest.mark.parametrize(("name", "text"), [*WRITTEN, *((name, "0") for name in PRICE_FIELDS)])
def test_what_a_file_holds_is_repaired_before_it_is_a_panel(
    name: str, text: str, tmp_path: Path
) -> None:
    good = {"date": "2024-01-01", "open": "10", "high": "11", "low": "9", "close": "10"}
    good["volume"] = "100"
    rows = [good, {**good, "date": "2024-01-02", name: text}, {**good, "date": "2024-01-03"}]
    lines = [",".join(good), *(",".join(row.values()) for row in rows)]
    (tmp_path / "A.csv").write_text("\n".join(lines))
    loaded = load_folder([tmp_path])
    kept = 3 if name == "volume" else 2
    assert loaded.bars.shape == (1, kept)
    assert any(name in finding.problem for finding in loaded.findings)
    assert np.isnan(loaded.bars.volume[0]).sum() == (1 if name == "volume" else 0)


def test_a_file_of_nothing_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,open,high,low,close,volume\n2024-01-01,inf,inf,inf,inf,1")
    with pytest.raises(DataError, match=r"holds usable bars: .*open is not a number"):
        load_folder([tmp_path])
