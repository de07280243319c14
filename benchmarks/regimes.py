"""Our regime labels against the detectors that others use, scored by hindsight, in one table.

    python -m benchmarks.regimes NSE_INDEX_FOLDER [--write docs/regimes.md]

The folder holds NIFTY50.csv with ``date`` and ``close``; the S&P 500 comes with skfolio.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import detectors
from benchmarks.detectors import Outs
from benchmarks.marks import write_between
from kasauti.regimes.dating import date_legs
from kasauti.regimes.model import OnlineLabels, Regime
from kasauti.regimes.online import label_closes
from kasauti.regimes.scoring import DetectorScore, first_known, is_out, score_detector


def answers(closes: "pd.Series[float]") -> Mapping[str, Outs]:
    """Return the answers of every detector, by its name in the table."""
    labels = OnlineLabels(label_closes(np.asarray(closes, dtype=np.float64)))
    return {
        "buy and hold": np.zeros(len(closes), dtype=np.bool_),
        "**Kasauti: bear or volatile**": is_out(labels),
        "Kasauti: bear alone": is_out(labels, (Regime.BEAR,)),
        "below the 200-day average": detectors.below_average(closes),
        "50-day below 200-day average, 5 % lost": detectors.averages_crossed(closes),
        "jump model, `predict_online`": detectors.jump_model(closes),
        "hidden Markov model, filtered": detectors.hidden_markov(closes),
        "*look-ahead:* jump model, `predict`": detectors.jump_model_with_hindsight(closes),
        "*look-ahead:* hidden Markov model, Viterbi": detectors.hidden_markov_with_hindsight(
            closes
        ),
        "*look-ahead:* linear rule of 26 features": detectors.best_linear_rule(closes),
    }


def row(name: str, whole: DetectorScore | None, score: DetectorScore) -> str:
    """Return one line of the table."""
    everything = "" if whole is None else f"{whole.balanced_accuracy:.3f}"
    return (
        f"| {name} | {everything} | {score.balanced_accuracy:.3f} | {score.sensitivity:.2f} "
        f"| {score.specificity:.2f} | {score.lag:.0f} | {score.missed} | {score.switches} "
        f"| {score.sharpe:.2f} | {100 * score.max_drawdown:.1f} % |"
    )


def rows(market: str, closes: "pd.Series[float]") -> Iterator[str]:
    """Yield the table of one market."""
    values = np.asarray(closes, dtype=np.float64)
    hindsight, start = date_legs(values), detectors.first_scored(closes)
    known = first_known(OnlineLabels(label_closes(values)))
    days = pd.DatetimeIndex(closes.index)
    span = f"{days[start]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"
    share, legs = hindsight.is_bear[start:].mean(), hindsight.legs
    yield f"**{market}**, {span}: {len(closes) - start} sessions, {share:.0%} of them bear;"
    yield f"*all*: from {days[known]:%Y-%m-%d}, {len(legs)} legs."
    yield ""
    yield (
        "| detector | all | balanced accuracy | sensitivity | specificity | lag | missed "
        "| switches | Sharpe | drawdown |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for name, out in answers(closes).items():
        is_fitted = "model" in name
        whole = None if is_fitted else score_detector(values, out, hindsight, known)
        yield row(name, whole, score_detector(values, out, hindsight, start))


def read_nifty(folder: Path) -> "pd.Series[float]":
    """Return NIFTY 50's closes by date."""
    frame = pd.read_csv(folder / "NIFTY50.csv", parse_dates=["date"])
    return frame.set_index("date")["close"].astype(float)


def main() -> None:
    """Score every detector on both markets, and print the tables or write them."""
    from skfolio.datasets import load_sp500_index

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where NIFTY50.csv lies")
    parser.add_argument("--write", type=Path, help="file whose marked part becomes the tables")
    chosen = parser.parse_args()
    markets = {"S&P 500": load_sp500_index()["SP500"], "NIFTY 50": read_nifty(chosen.folder)}
    tables = ["\n".join(rows(name, closes)) for name, closes in markets.items()]
    write_between(chosen.write, "detectors", "\n\n".join(tables))


if __name__ == "__main__":
    main()
