"""The commands that write the reports for people: of a day, and of a week's research."""

from datetime import datetime
from typing import Any

import click

from kasauti.home import Home
from kasauti.options import emit, json_option


def _now() -> datetime:
    from zoneinfo import ZoneInfo

    from kasauti.execution.clock import SystemClock

    return SystemClock(ZoneInfo("Asia/Kolkata")).now()


@click.command()
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day it is about; the last session that is over without it.",
)
@json_option
def daily(day: Any, as_json: bool) -> None:
    """Write the daily report.

    Profit, trades, positions and limits of the paper account, what fills cost against the backtest,
    alerts, health and backups, as one HTML page that is also right as a mail. Without a paper
    ledger it is about the demo's replay, and says so. What cannot be read says so in its place.
    """
    from kasauti.operations.daily import daily_report
    from kasauti.operations.daily_page import attention, headline, write_daily
    from kasauti.show import say

    home = Home.from_environment()
    report = daily_report(home, None if day is None else day.date(), _now())
    path, said = write_daily(report, home), headline(report)
    needs = attention(report)
    result = {"file": str(path), "headline": said, "attention": list(needs)} | report.to_json()
    emit(
        result, as_json, lambda: say("\n".join([said, *(f"· {need}" for need in needs), str(path)]))
    )


@click.command()
@json_option
def weekly(as_json: bool) -> None:
    """Write the research summary of the last seven days.

    What was tried, the best found, verdicts with their causes of death, approvals that are in force
    and when they end, and how far the paper trial is.
    """
    from kasauti.operations.weekly import weekly_summary
    from kasauti.operations.weekly_page import headline, write_weekly
    from kasauti.show import say

    home = Home.from_environment()
    summary = weekly_summary(home, _now())
    path, said = write_weekly(summary, home), headline(summary)
    result = {"file": str(path), "headline": said} | summary.to_json()
    emit(result, as_json, lambda: say(f"{said}\n{path}"))


COMMANDS = (daily, weekly)
