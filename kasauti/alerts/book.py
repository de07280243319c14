"""The alert book: every alert that was raised, and its incident, on disk before anything is sent.

What goes to which channel is decided in `plan`; the deliveries are handled in `queue`.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from kasauti.alerts import plan, tables
from kasauti.alerts.model import Alert, Severity
from kasauti.alerts.redact import redacted_alert, secrets_of
from kasauti.alerts.rules import Rules
from kasauti.alerts.state import Incident, State
from kasauti.alerts.tables import moment, stamp
from kasauti.errors import AlertError, UsageError

BATCH = 200  # alerts that are admitted in one transaction
HISTORY = timedelta(days=1)  # a ledger's older alerts are no news when it is first read


@dataclass(frozen=True)
class Raised:
    """An alert that comes from a ledger: its key there, and when it happened."""

    key: str
    alert: Alert
    at: datetime


class AlertBook:
    """One alert book.

    Parameters
    ----------
    path : Path
        SQLite file, made if missing.

    Raises
    ------
    AlertError
        If it cannot be opened; so does every method where it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._secrets = secrets_of()
        try:
            self.engine = tables.connect(path)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise AlertError(_said(path, error)) from error

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def raise_alert(self, alert: Alert, key: str, at: datetime) -> bool:
        """Commit an alert; one whose key is known changes nothing.

        Parameters
        ----------
        alert : Alert
        key : str
            Of the occurrence, not of the incident: the same occurrence told twice is one alert.
        at : datetime
            Aware; now.

        Returns
        -------
        bool
            Whether it is new.
        """
        with self.writing() as connection:
            return self._add(connection, Raised(key, alert, at), at)

    def position(self, source: str) -> tuple[int, str] | None:
        """Return number and hash of the last event of a ledger that was read, None if none was."""
        table = tables.positions
        with self.reading() as connection:
            row = connection.execute(select(table).where(table.c.source == source)).one_or_none()
        return None if row is None else (row.seq, row.hash)

    def relay(
        self,
        source: str,
        raised: Iterable[Raised],
        position: tuple[int, str],
        now: datetime,
        *,
        history: bool = False,
    ) -> int:
        """Take in a ledger's alerts together with how far it was read; return how many are new.

        Of a `history`, a ledger that was never read before, what is older than a day is only noted.
        """
        table, new = tables.positions, 0
        with self.writing() as connection:
            first = select(table.c.seq).where(table.c.source == source)
            is_first = connection.execute(first).one_or_none() is None
            for one in raised:
                old = history and now - one.at >= HISTORY
                new += self._add(connection, one, now, plan.Outcome.OLD if old else None)
            values = {"seq": position[0], "hash": position[1]}
            if is_first:
                connection.execute(insert(table), [{"source": source, **values}])
            else:
                connection.execute(update(table).where(table.c.source == source).values(values))
        return new

    def admit(self, rules: Rules, now: datetime) -> int:
        """Decide what becomes of the alerts that nobody decided on; return how many were told."""
        table, told = tables.alerts, 0
        query = select(table).where(table.c.outcome == "").order_by(table.c.id).limit(BATCH)
        with self.reading() as connection:  # most of the time there is none: no write lock then
            if connection.execute(query.limit(1)).one_or_none() is None:
                return 0
        with self.writing() as connection:
            for row in connection.execute(query).all():
                told += self._admit(connection, row, rules, now)
        return told

    def raised_on(self, day: date) -> list[tuple[str, Alert]]:
        """Return key and alert of all that came into the book on a day of the exchange."""
        table = tables.alerts
        query = select(table.c.key, table.c.alert).where(table.c.raised.startswith(str(day)))
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.c.id)).all()
        return [(row.key, Alert.from_text(row.alert)) for row in rows]

    def incident(self, name: str) -> Incident | None:
        """Return one incident, None if there is none of that name."""
        table = tables.incidents
        with self.reading() as connection:
            row = connection.execute(select(table).where(table.c.id == name)).one_or_none()
        return None if row is None else _incident(row)

    def open_incidents(self, now: datetime) -> list[Incident]:
        """Return the incidents of a week that matter and nobody closed or looks after."""
        table = tables.incidents
        query = select(table).where(
            table.c.last_seen > stamp(now - plan.GIVE_UP),
            table.c.severity >= Severity.WARNING,
            table.c.closed.is_(None),
        )
        order = query.order_by(table.c.severity.desc(), table.c.last_seen.desc())
        with self.reading() as connection:
            found = [_incident(row) for row in connection.execute(order)]
        return [one for one in found if not plan.is_acknowledged(one, now)]

    def acknowledge(self, name: str, *, by: str, now: datetime) -> Incident:
        """Record that somebody looks after an incident: it stays silent for a day.

        What waits to be told of it is told no more.

        Raises
        ------
        UsageError
            If there is no such incident, or no name.
        """
        if not by.strip():
            raise UsageError("an acknowledgement needs a person's name: --who NAME")
        table, alerts, out = tables.incidents, tables.alerts, tables.deliveries
        values = {"acknowledged_by": by, "acknowledged_at": stamp(now), "unsaid": 0}
        with self.writing() as connection:
            change = update(table).where(table.c.id == name).values(values)
            if not connection.execute(change).rowcount:
                raise UsageError(f"there is no incident {name}: `kasauti alerts` lists them")
            own = select(alerts.c.id).where(alerts.c.incident == name)
            waiting = out.c.state.in_([State.PENDING.value, State.STANDBY.value])
            done = {"state": State.UNNEEDED.value, "detail": f"acknowledged by {by}"}
            connection.execute(update(out).where(out.c.alert_id.in_(own), waiting).values(done))
        found = self.incident(name)
        assert found is not None
        return found

    # -- inside a transaction --------------------------------------------------------------------

    def _add(
        self,
        connection: Connection,
        raised: Raised,
        now: datetime,
        outcome: plan.Outcome | None = None,
    ) -> bool:
        table = tables.alerts
        known = select(table.c.id).where(table.c.key == raised.key)
        if connection.execute(known).one_or_none() is not None:
            return False
        alert = redacted_alert(raised.alert.happening(raised.at), self._secrets)
        values = {
            "key": raised.key,
            "raised": stamp(now),
            "incident": alert.incident,
            "severity": int(alert.severity),
            "alert": alert.to_text(),
            "outcome": "" if outcome is None else outcome.value,
        }
        connection.execute(insert(table), [values])
        return True

    def _admit(self, connection: Connection, row: Row[Any], rules: Rules, now: datetime) -> int:
        alert, raised = Alert.from_text(row.alert), moment(row.raised)
        assert raised is not None
        before, is_new = self._known(connection, alert, raised)
        decided = plan.admit(alert, raised, before, rules, now)
        tells = decided.outcome is plan.Outcome.TOLD
        if not (alert.closes and is_new):
            after = _after(before, alert, raised, now, tells=tells)
            _put(connection, after, is_new=is_new)
        values = {
            "outcome": decided.outcome.value,
            "more": decided.more,
            "since": None if decided.since is None else stamp(decided.since),
        }
        change = update(tables.alerts).where(tables.alerts.c.id == row.id).values(values)
        connection.execute(change)
        rows = [
            {
                "alert_id": row.id,
                "channel": channel,
                "step": step,
                "state": (State.STANDBY if step else State.PENDING).value,
            }
            for step, channels in enumerate(decided.route)
            for channel in channels
        ]
        if rows:
            connection.execute(insert(tables.deliveries), rows)
        return int(tells)

    def _known(
        self, connection: Connection, alert: Alert, raised: datetime
    ) -> tuple[Incident, bool]:
        table = tables.incidents
        query = select(table).where(table.c.id == alert.incident)
        row = connection.execute(query).one_or_none()
        if row is not None:
            return _incident(row), False
        fresh = Incident(
            alert.incident,
            alert.trigger,
            alert.subject,
            alert.title,
            alert.severity,
            raised,
            raised,
        )
        return fresh, True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise AlertError(_said(self.path, error)) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that has the write lock; it is on disk when the block ends."""
        try:
            with tables.writing(self.engine).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise AlertError(_said(self.path, error)) from error


def _after(
    before: Incident, alert: Alert, raised: datetime, now: datetime, *, tells: bool
) -> Incident:
    """Return the incident with one more alert."""
    if alert.closes:
        return replace(before, closed=before.closed or raised)
    reopens = before.closed is not None
    return replace(
        before,
        title=alert.title,
        severity=max(before.severity, alert.severity),
        last_seen=raised,
        count=before.count + 1,
        told=now if tells else before.told,
        unsaid=0 if tells else before.unsaid + 1,
        closed=None,
        opened=raised if reopens else before.opened,
    )


def _put(connection: Connection, incident: Incident, *, is_new: bool) -> None:
    plain = {
        name: stamp(value) if isinstance(value, datetime) else value
        for name, value in vars(incident).items()
    }
    plain["severity"] = int(incident.severity)
    table = tables.incidents
    if is_new:
        connection.execute(insert(table), [plain])
    else:
        connection.execute(update(table).where(table.c.id == incident.id).values(plain))


def _incident(row: Row[Any]) -> Incident:
    found = dict(row._mapping)
    times = ("opened", "last_seen", "told", "acknowledged_at", "closed")
    return Incident(
        **{
            **found,
            **{name: moment(found[name]) for name in times},
            "severity": Severity(found["severity"]),
        }
    )


def _said(path: Path, error: Exception) -> str:
    words = " ".join(str(error.__cause__ or error).split())
    return f"the alert book {path} cannot be used: {words}; check disk and permissions"
