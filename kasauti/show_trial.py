"""How the paper trial and the arming look on a terminal."""

from typing import TYPE_CHECKING

from kasauti.show import say, table

if TYPE_CHECKING:
    from kasauti.execution.arming import Asked
    from kasauti.execution.events import Armed
    from kasauti.execution.trial_report import TrialReport

SHOWN_SESSIONS = 40
SHOWN_ROWS = 60


def show_trial(report: "TrialReport") -> None:
    """Print the sessions, the differences from the engine and whether anything is armed."""
    trial = report.trial
    if trial is None:
        say("No paper session yet: `kasauti desk` trades your own bars on paper.")
        return
    say(f"{trial.passed} paper sessions passed. Live trading needs {trial.needed} a strategy:")
    for genome, count in sorted(trial.strategies.items(), key=lambda item: -item[1]):
        say(f"  {genome[:12]}  {count} of {trial.needed}")
    if not trial.strategies:
        say("  none has passed a session yet")
    if trial.sessions:
        sessions = trial.sessions[-SHOWN_SESSIONS:]
        table(
            f"Sessions, the last {len(sessions)}",
            ("day", "counts", ">rows", ">different", "what speaks against it"),
            [
                (s.day, "yes" if s.passed else "no", s.orders, s.differences, "; ".join(s.problems))
                for s in sessions
            ],
        )
    if report.differences:
        rows = report.differences[-SHOWN_ROWS:]
        table(
            f"Paper against the engine on the same bars, the last {len(rows)} differences",
            ("day", "symbol", "leg", "differs", ">engine", ">paper", "why", "tolerated"),
            [
                (
                    row.day,
                    row.symbol,
                    row.leg.value,
                    row.kind.value,
                    _traded(row.engine_quantity, row.engine_price),
                    _traded(row.paper_quantity, row.paper_price),
                    row.explanation,
                    "yes" if row.within else "NO",
                )
                for row in rows
            ],
        )
    if report.armed is None:
        say("Nothing is armed: every order stays on paper.")
    else:
        show_armed(report.armed)


def show_asked(asked: "Asked") -> None:
    """Print the phrase of the second confirmation."""
    event = asked.event
    say(f"From now on {event.account} could lose {event.most_loss} a day of real money.")
    say(f"Think it over. From {event.valid_from:%H:%M:%S} to {event.valid_until:%H:%M:%S}:")
    say("  kasauti arm --confirm, and type")
    say(f"  {asked.phrase}")


def show_armed(armed: "Armed") -> None:
    """Print what is armed, and until when."""
    say(
        f"{armed.account} is armed until {armed.until:%Y-%m-%d %H:%M}, with the profile "
        f"{armed.profile}, by {armed.by}. It counts where KASAUTI_LIVE={armed.account}, for "
        f"{', '.join(genome[:12] for genome in armed.genomes)}."
    )


def show_disarmed(changed: bool) -> None:
    """Print whether anything was taken back."""
    say("Disarmed." if changed else "Nothing was armed.")


def _traded(quantity: int, price: object) -> str:
    return "-" if price is None else f"{quantity} at {price:.2f}"
