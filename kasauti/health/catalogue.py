"""What every check means and what to do when it is red, for docs/health.md; no looking here."""

from dataclasses import dataclass

from kasauti.errors import UsageError
from kasauti.execution.model import Scope


@dataclass(frozen=True)
class Meaning:
    """One check, explained.

    Attributes
    ----------
    name : str
        As the check has it; of a ledger's without ``replay`` or ``paper`` before it.
    red : str
        When it is red.
    remedy : str
        What to do then.
    of_ledger : bool
        Whether each ledger has one.
    """

    name: str
    red: str
    remedy: str
    of_ledger: bool = False


UP = "Run `kasauti up`, or read in its terminal why the process ended."
PAGE = "Read why on Dagster's page and start the job `evening` there."

MEANINGS = (
    Meaning(
        "state folder", "It cannot be written.", "Mend its owner and mode, or set KASAUTI_HOME."
    ),
    Meaning(
        "ledger",
        "Its chain of hashes is broken, or it cannot be read.",
        "Do not trade. Restore the last proved backup.",
        of_ledger=True,
    ),
    Meaning(
        "trading",
        "A breaker opened, a strategy is latched or a person reduced trading.",
        "Read the reason; `kasauti resume` when it is safe again.",
        of_ledger=True,
    ),
    Meaning(
        "kill switch", "Trading was stopped.", "`kasauti resume` when it is safe.", of_ledger=True
    ),
    Meaning(
        "account",
        "Ledger and broker hold different things.",
        "`kasauti reconcile`; it shows each difference.",
        of_ledger=True,
    ),
    Meaning(
        "controls",
        "A control was never evaluated, or not at the last orders.",
        "Let the desk open a session with `kasauti up`; on the replay, run `kasauti demo`.",
        of_ledger=True,
    ),
    Meaning("controls", "There is no ledger, so none was ever evaluated.", "Run `kasauti demo`."),
    Meaning("vault", "A sealed file or its record was changed.", "Restore a backup."),
    Meaning("trial register", "A row was changed or is missing.", "Restore a backup."),
    Meaning("report", "Never; it says when the last one was made.", "`kasauti report`."),
    Meaning("Dagster storage", "Never; it says where it is.", "Nothing."),
    Meaning("supervisor", "`kasauti up` is gone without having been stopped.", UP),
    Meaning("web page", "`kasauti up` runs and the page's process does not.", UP),
    Meaning("daemon", "`kasauti up` runs and Dagster's daemon process does not.", UP),
    Meaning("code server", "No process has loaded the project's code for Dagster.", UP),
    Meaning("services", "The processes cannot be looked at.", "Do what the text says."),
    Meaning("desk", "It should run and gives no sign of life, or it names a problem.", UP),
    Meaning("alerts", "The service should run and is silent, or it names a problem.", UP),
    Meaning(
        "dagster daemons",
        "Scheduler, sensors, queue or monitor gave no sign of life for 5 minutes, or met an error.",
        "End `kasauti up` and start it again; the error is on Dagster's page.",
    ),
    Meaning(
        "feed",
        "The desk trades on ticks, the session is open, and none came for a minute.",
        "Start what writes the feed again.",
    ),
    Meaning(
        "calendar",
        "The exchange's sessions are not known any more; a warning in the 30 days before.",
        "Take the version of Kasauti that has the next year's holidays.",
    ),
    Meaning(
        "bars",
        "At 19:00 of a trading day its bar is missing, or an earlier one is.",
        "Put the new rows into your folder and run `kasauti ingest`.",
    ),
    Meaning("evening run", "At 19:00 of a trading day its run is missing or failed.", PAGE),
    Meaning("assets", "What each evening makes was not made this evening.", PAGE),
    Meaning(
        "disk",
        "Less than 500 MB are free; a warning below 2 GB or 5 %.",
        "Make room: old backups and searches are largest.",
    ),
    Meaning(
        "clock",
        "It is more than a second off; or nobody knows, and there is a paper ledger.",
        "Start systemd-timesyncd or chrony, or name a time server in KASAUTI_NTP_SERVER.",
    ),
    Meaning(
        "backup",
        "None was proved in 48 hours; without a paper ledger, only if there were attempts. A "
        "warning while the last attempt failed.",
        "Run `kasauti backup` and do what it says.",
    ),
    Meaning("health history", "It cannot be written.", "Move `health.sqlite3` away."),
)


def meaning_of(name: str) -> Meaning:
    """Return what the check `name` means.

    Raises
    ------
    UsageError
        If no check has that name.
    """
    scope, _, rest = name.partition(" ")
    of_ledger = scope in {one.value for one in Scope}
    wanted = rest if of_ledger else name
    for meaning in MEANINGS:
        if meaning.name == wanted and meaning.of_ledger == of_ledger:
            return meaning
    raise UsageError(f"no check is called {name!r}: see docs/health.md")


def markdown() -> str:
    """Return all of it as a table in Markdown."""
    rows = [
        f"| {'replay/paper ' if one.of_ledger else ''}{one.name} | {one.red} | {one.remedy} |"
        for one in MEANINGS
    ]
    return "\n".join(["| check | red when | what to do |", "|---|---|---|", *rows]) + "\n"
