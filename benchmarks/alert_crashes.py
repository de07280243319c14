"""Kills the alerts service at seeded moments while alerts are raised, and counts what arrived.

    python -m benchmarks.alert_crashes --kills 200 --alerts 1000 [--write docs/alerts.md]

Half of the alerts come with an event of a ledger. Slack and the mail server are local servers that
go down, refuse, ask to wait and answer slowly. Exits 1 if an alert was lost on any channel, or came
twice in a way that no kill explains.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.marks import write_between
from kasauti.execution import failpoints
from tests.alerts.crash.harness import BY_TIME, CHANNELS, Report, run


def table(report: Report) -> str:
    """Return what was raised and what arrived, as Markdown."""
    lines = [
        "| channel | raised | arrived | lost | messages | repeats | of them marked as such |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for channel in CHANNELS:
        lost, repeats = len(report.lost(channel)), report.repeats(channel)
        raised = len(report.raised)
        marked = len(repeats) - len(report.unexplained(channel))
        cells = (raised, raised - lost, lost, raised - lost + len(repeats), len(repeats), marked)
        lines.append(f"| {channel} | {' | '.join(map(str, cells))} |")
    lines += ["", "| killed | times |", "|---|---:|"]
    meanings = {**failpoints.ALERT_STEPS, BY_TIME: "wherever it was"}
    lines += [
        f"| `{step}`: {meaning} | {report.kills[step]} |" for step, meaning in meanings.items()
    ]
    return "\n".join(lines)


def summary(report: Report, seed: int) -> str:
    """Return what was done, in a sentence."""
    counted = sorted(report.troubles.items())
    troubles = ", ".join(f"{name} {count} times" for name, count in counted if count)
    return (
        f"{len(report.raised):,} alerts, {report.kills.total()} services killed, seed {seed}, "
        f"{report.seconds:.0f} s, {report.unfinished} left waiting at the end. Troubles of the "
        f"providers: {troubles or 'none'}."
    )


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="put the table between a page's marks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(
            Path(folder), alerts=given.alerts, kills=given.kills, seed=given.seed, progress=True
        )
    text = f"{summary(found, given.seed)}\n\n{table(found)}"
    sys.stdout.write(text + "\n")
    if given.write is not None:
        write_between(given.write, "alert crashes", text)
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
