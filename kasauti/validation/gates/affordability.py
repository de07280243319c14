"""What each capital profile could have traded; a report, no gate yet."""

from dataclasses import replace
from typing import Any

from kasauti.backtest import Account, Backtester
from kasauti.genome import Genome


def affordability(own: Backtester, genome: Genome) -> list[dict[str, Any]]:
    """Return what each capital profile could have traded, every symbol by itself.

    The genome's risk is capped by the profile's, as it would be in trading.
    """
    from kasauti.execution.limits import PROFILES

    rows = []
    for name, limits in PROFILES.items():
        capital = float(limits.capital)
        risk = min(genome.risk, float(limits.risk_per_trade) / capital)
        account = Account(capital, own.account.charges, own.account.slippage)
        small = Backtester(own.bars, account=account, labels=own.labels, market=own.market)
        result = small.run(replace(genome, risk=risk))
        skipped = result.counters["skipped_less_than_one_share"]
        bought = len(result.trades) + len(result.open)
        turnover = sum(t.quantity * (t.entry_price + t.exit_price) / 2 for t in result.trades)
        rows.append(
            {
                "profile": name,
                "capital": capital,
                "signals": bought + skipped,
                "bought": bought,
                "charges_of_value": result.metrics.charges / turnover if turnover else None,
                "total_return": result.metrics.total_return,
            }
        )
    return rows
