"""Where Kasauti keeps its state on disk; paths only, nothing is opened here."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """The state folder: ``var/`` in the project, or ``KASAUTI_HOME`` where that is set."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """Return the home named by ``KASAUTI_HOME``, else ``var/`` beside the package."""
        named = os.environ.get("KASAUTI_HOME")
        return cls(Path(named).expanduser().resolve() if named else PROJECT_ROOT / "var")

    @property
    def lake(self) -> Path:
        """Immutable Parquet, versioned by content."""
        return self.root / "lake"

    @property
    def ingested(self) -> Path:
        """The user's own bars as they were taken in, sealed part and all; no query reaches it."""
        return self.root / "ingested"

    @property
    def vault(self) -> Path:
        """The sealed last fifth of every data set, and the record of who opened it."""
        return self.root / "vault"

    @property
    def register(self) -> Path:
        """The append-only trial register (SQLite)."""
        return self.root / "register.sqlite"

    @property
    def ledger(self) -> Path:
        """The execution ledger of paper trading (SQLite)."""
        return self.root / "ledger.sqlite"

    @property
    def ledger_url(self) -> str | None:
        """URL of the PostgreSQL database that holds the paper ledger's events instead, if any.

        From ``KASAUTI_LEDGER_URL``; it holds a password and is shown nowhere.
        """
        return os.environ.get("KASAUTI_LEDGER_URL") or None

    @property
    def limits(self) -> Path:
        """The custom capital profile (TOML), where there is one."""
        return self.root / "limits.toml"

    @property
    def heartbeat(self) -> Path:
        """The desk's sign of life, written each second."""
        return self.root / "desk.json"

    @property
    def alerts(self) -> Path:
        """The alert book (SQLite): what was raised, what became of it on each channel."""
        return self.root / "alerts.sqlite3"

    @property
    def pulse(self) -> Path:
        """The alerts service's sign of life, for a watcher on this machine."""
        return self.root / "heartbeat" / "alerts.json"

    @property
    def backup_proofs(self) -> Path:
        """What became of each backup, one JSON object a line."""
        return self.root / "backups" / "proofs.jsonl"

    @property
    def feed(self) -> Path:
        """Ticks for the paper broker: append-only files, one JSON object a line."""
        return self.root / "feed"

    @property
    def replay(self) -> Path:
        """Ledger and lease of the demo's replay clock; never counts as paper trading."""
        return self.root / "replay"

    @property
    def replay_ledger(self) -> Path:
        """The replay's ledger (SQLite)."""
        return self.replay / "ledger.sqlite"

    @property
    def replay_clock(self) -> Path:
        """The session at whose close the replay clock stands."""
        return self.replay / "clock"

    @property
    def searches(self) -> Path:
        """Checkpoints of evolution."""
        return self.root / "searches"

    @property
    def verdicts(self) -> Path:
        """Verdicts that were given, by what they rest on."""
        return self.root / "verdicts"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.root / "dagster"

    @property
    def supervisor(self) -> Path:
        """What `kasauti up` says of the processes that it keeps running, written each second."""
        return self.root / "heartbeat" / "supervisor.json"

    @property
    def health(self) -> Path:
        """What every health check found in the last three months (SQLite)."""
        return self.root / "health.sqlite3"

    @property
    def reports(self) -> Path:
        """Finished reports."""
        return self.root / "reports"

    @property
    def backups(self) -> Path:
        """Backups where no other place was chosen, and the record of their proofs."""
        return self.root / "backups"
