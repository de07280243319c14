"""Single events at the worst moment: what the position really held then loses."""

import dataclasses

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Slippage
from kasauti.genome import Genome, Side, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_sample
from kasauti.validation.stress.events import (
    Event,
    event_losses,
    events_of,
    exit_in_drought,
    gap_of,
)
from kasauti.validation.stress.history import History
from kasauti.validation.stress.model import GAP, Loss
from kasauti.validation.stress.positions import Exposure, largest_exposure
from tests.validation.rules import HOLD
from tests.validation.synthetic import make_bars

FREE = Account(10_000_000.0, charges=NO_CHARGES, slippage=NO_SLIPPAGE)
TIGHT = {"stop": {"fraction": 0.05}, "trail": {"fraction": 0.05}, "risk": 0.025}


def holding(**genes: object) -> Genome:
    return genome_from_genes({**HOLD, "risk": 0.5, **genes})


def losses_of(bars: Bars, genome: Genome, account: Account = FREE) -> dict[str, Loss]:
    tester = Backtester(bars, account=account)
    exposure = largest_exposure(bars, tester.run(genome), 0)
    history = History.of(bars, 0, tester.labels.codes)
    found = event_losses(history, genome, exposure, account, tester.market)
    return {one.scenario: one for one in found}


def share_of(bars: Bars, genome: Genome) -> Exposure:
    return largest_exposure(bars, Backtester(bars, account=FREE).run(genome), 0)


@pytest.fixture(scope="module")
def shares() -> Bars:
    return make_bars(sessions=600)


@pytest.fixture(scope="module")
def index() -> Bars:
    return make_bars(("NIFTY50",), sessions=600, market="nse")


def test_an_index_gaps_less_than_a_share() -> None:
    bars = load_sample().bars
    assert {symbol: gap_of(bars, symbol) for symbol in bars.symbols} == {
        "SP500": 0.10,
        "NASDAQ": 0.10,
        "AAPL": 0.20,
        "GOOG": 0.20,
        "IBM": 0.20,
        "MSFT": 0.20,
    }


@pytest.mark.parametrize(
    ("name", "fall"),
    [
        (GAP, 0.20),
        ("market-wide halt at 10%", 1 - 0.90 * 0.95),
        ("market-wide halt at 15%", 1 - 0.85 * 0.95),
        ("market-wide halt at 20%", 1 - 0.80 * 0.95),
        ("frozen feed", 0.20),
    ],
)
@pytest.mark.parametrize("genes", [{}, TIGHT], ids=["no stop near", "through the stop"])
def test_a_share_loses_the_whole_move_stop_or_not(
    shares: Bars, name: str, fall: float, genes: dict[str, object]
) -> None:
    genome = holding(**genes)
    share = share_of(shares, genome).share
    assert 0.4 < share < 0.8
    assert losses_of(shares, genome)[name].loss == pytest.approx(-fall * share, rel=1e-6)


def test_an_index_loses_a_tenth_overnight(index: Bars) -> None:
    genome = holding()
    share = share_of(index, genome).share
    assert losses_of(index, genome)[GAP].loss == pytest.approx(-0.10 * share, rel=1e-6)


def test_a_whole_account_in_one_share_survives_the_gap_by_a_hair(shares: Bars) -> None:
    found = losses_of(shares, holding(risk=1.0))
    assert found[GAP].loss == pytest.approx(-0.20, abs=1e-4)
    assert not found[GAP].kills
    assert not found["market-wide halt at 15%"].kills
    assert found["market-wide halt at 20%"].kills


def test_getting_out_costs_on_top(shares: Bars) -> None:
    genome = holding(**TIGHT)
    dear = Account(10_000_000.0, charges=NO_CHARGES, slippage=Slippage(0.02, 0.0))
    share = largest_exposure(shares, Backtester(shares, account=dear).run(genome), 0).share
    loss = losses_of(shares, genome, dear)[GAP].loss
    assert -share * 0.24 < loss <= -share * (1 - 0.80 * 0.98)  # and getting in again


def test_nothing_fills_while_the_market_is_halted(shares: Bars) -> None:
    """A stop of 5 % that could fill on the way down would lose a quarter of this."""
    halts = [one for one in events_of(shares, 0.2, Side.LONG) if "halt" in one.name]
    assert [[filled for _, filled in one.steps] for one in halts] == [[False, True]] * 3
    levels = np.array([[level for level, _ in one.steps] for one in halts])
    assert levels[:, 0] == pytest.approx([0.90, 0.85, 0.80])
    assert levels[:, 1] == pytest.approx(0.95 * levels[:, 0])
    genome = holding(**TIGHT)
    share = share_of(shares, genome).share
    loss = losses_of(shares, genome)["market-wide halt at 10%"].loss
    assert loss == pytest.approx(-share * (1 - 0.90 * 0.95), rel=1e-6)


def test_halts_of_intraday_bars_last_as_long_as_the_exchange_says() -> None:
    daily = make_bars(sessions=75 * 20)
    day = np.busday_offset("2020-01-01", np.arange(20), roll="forward").astype("M8[s]")
    clock = np.timedelta64(9 * 3600 + 900, "s") + np.arange(75) * np.timedelta64(300, "s")
    bars = dataclasses.replace(daily, times=np.add.outer(day, clock).ravel())
    halted = [
        sum(not filled for _, filled in event.steps)
        for event in events_of(bars, 0.2, Side.LONG)
        if "halt" in event.name
    ]
    assert halted == [9, 21, 75]  # 45 minutes, 1 hour 45, the rest of the session


def test_a_frozen_feed_repeats_its_close_and_jumps(shares: Bars) -> None:
    frozen = events_of(shares, 0.2, Side.LONG)[-1]
    assert frozen == Event("frozen feed", (*((1.0, False),) * 5, (0.8, True)))
    impatient = holding(max_bars=3)  # its time is up while nothing can be sold
    share = share_of(shares, impatient).share
    assert losses_of(shares, impatient)["frozen feed"].loss <= -0.2 * share * 0.99


def test_a_short_position_fears_the_other_way() -> None:
    rising = events_of(make_bars(), 0.2, Side.SHORT)
    assert all(event.steps[-1][0] > 1.0 for event in rising)


def test_the_position_is_the_one_really_held(shares: Bars) -> None:
    """The worst moment of a genome that trades in and out, not of one that always holds."""
    genome = holding(entry="rsi(close, 5) < 25", exit="rsi(close, 5) > 60")
    tester = Backtester(shares, account=FREE)
    result = tester.run(genome)
    exposure = largest_exposure(shares, result, 0)
    held = [
        trade
        for trade in result.trades
        if trade.entry_time <= shares.times[exposure.position].item() < trade.exit_time
    ]
    assert len(result.trades) > 5
    assert [trade.quantity for trade in held] == [exposure.quantity]
    assert losses_of(shares, genome)[GAP].loss == pytest.approx(-0.2 * exposure.share, rel=1e-6)


# -- leaving in a drought ------------------------------------------------------------------------


def drought_exit(quantity: float, account: Account = FREE, volume: float = 1_000_000.0) -> Loss:
    bars = make_bars(sessions=600)
    bars = dataclasses.replace(bars, volume=np.full((1, 600), volume))
    history = History.of(bars, 0, Backtester(bars, account=account).labels.codes)
    price = float(bars.close[0, 500])
    exposure = Exposure(0, 500, quantity, account.capital, quantity * price / account.capital)
    return exit_in_drought(history, Side.LONG, exposure, account)


@pytest.mark.parametrize(
    ("quantity", "sessions"),
    [(10_000.0, "1 session "), (10_001.0, "2 sessions "), (95_000.0, "10 sessions ")],
)
def test_a_session_takes_a_tenth_of_a_tenth_of_the_volume(quantity: float, sessions: str) -> None:
    assert drought_exit(quantity).how.startswith(sessions)


def test_the_shortfall_by_hand() -> None:
    """Two slices, each after a fall of 1.645 deviations times the root of the sessions waited."""
    bars = make_bars(sessions=600)
    returns = np.diff(np.log(bars.close[0]))
    price, deviation = bars.close[0, 500], returns.std(ddof=1)
    account = Account(10_000_000.0, NO_CHARGES, Slippage(0.001, 0.02))
    cost = 0.01 + 0.02 * np.sqrt(0.1)
    moved = price * np.exp(-1.645 * deviation * np.sqrt([1.0, 2.0]))
    expected = 10_000 * (moved * (1 - cost) - price).sum() / 10_000_000
    assert drought_exit(20_000.0, account).loss == pytest.approx(expected, rel=1e-9)


def test_more_held_is_lost_more_than_in_proportion() -> None:
    assert drought_exit(80_000.0).loss < 4.5 * drought_exit(20_000.0).loss


def test_what_cannot_be_sold_in_a_quarter_is_marked() -> None:
    assert drought_exit(1_000_000.0).how == "not sold after 63 sessions"


def test_without_a_volume_it_is_said() -> None:
    assert "no volume is known" in drought_exit(20_000.0, volume=np.nan).how


def test_nothing_left_is_a_total_loss() -> None:
    bars = make_bars(sessions=600)
    history = History.of(bars, 0, Backtester(bars, account=FREE).labels.codes)
    ruined = Exposure(0, 500, 10.0, 0.0, np.inf)
    assert exit_in_drought(history, Side.LONG, ruined, FREE).loss == -1.0
