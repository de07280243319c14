"""The deliveries of the alert book: claimed before they are sent, recorded after; one service only.

A delivery that was claimed and has no answer was interrupted: it is sent again and says so. So
does one whose answer did not come in time. A message can arrive twice in no other way.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from kasauti.alerts import plan, tables
from kasauti.alerts.book import AlertBook
from kasauti.alerts.model import Alert
from kasauti.alerts.redact import redacted, secrets_of
from kasauti.alerts.state import HEALTHY, Answer, ChannelHealth, Delivery, State, Verdict
from kasauti.alerts.tables import moment, stamp

MOST = 200  # deliveries that are looked at in one go, of each channel: no one starves another
MINUTE = timedelta(minutes=1)
INTERRUPTED = "the service was interrupted while it sent this"
_OPEN = (State.STANDBY, State.PENDING, State.SENDING)

_JOINED = select(
    tables.deliveries,
    tables.alerts.c.alert,
    tables.alerts.c.raised,
    tables.alerts.c.more,
    tables.alerts.c.since,
    tables.incidents.c.thread,
).select_from(
    tables.deliveries.join(tables.alerts).join(
        tables.incidents, tables.incidents.c.id == tables.alerts.c.incident, isouter=True
    )
)


class Queue:
    """The deliveries of one book."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._secrets = secrets_of()

    def recover(self) -> int:
        """Take up what a dead service left claimed; return how many may arrive twice."""
        table = tables.deliveries
        values = {"state": State.PENDING.value, "doubtful": 1, "detail": INTERRUPTED}
        with self._book.writing() as connection:
            left = table.c.state == State.SENDING.value
            return connection.execute(update(table).where(left).values(values)).rowcount

    def open_deliveries(self) -> list[Delivery]:
        """Return what waits, the worst first, with the other deliveries of the same alerts."""
        table = tables.deliveries
        place = func.row_number().over(
            partition_by=(table.c.channel, table.c.state),
            order_by=(tables.alerts.c.severity.desc(), table.c.attempts, table.c.id),
        )
        ranked = (
            select(table.c.alert_id, place.label("place"))
            .select_from(table.join(tables.alerts))
            .where(table.c.state.in_([state.value for state in _OPEN]))
            .subquery()
        )
        waiting = select(ranked.c.alert_id).where(ranked.c.place <= MOST)
        with self._book.reading() as connection:
            rows = connection.execute(_JOINED.where(table.c.alert_id.in_(waiting))).all()
        return [_delivery(row) for row in rows]

    def failed(self, since: datetime) -> list[Delivery]:
        """Return what was given up since then."""
        table = tables.deliveries
        query = _JOINED.where(table.c.state == State.FAILED.value, table.c.last_try >= stamp(since))
        with self._book.reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def health(self) -> dict[str, ChannelHealth]:
        """Return how each channel has done lately."""
        with self._book.reading() as connection:
            rows = connection.execute(select(tables.channels)).all()
        return {row.name: _health(row) for row in rows}

    def lately(self, now: datetime) -> dict[str, int]:
        """Return the tries on each channel in the last minute."""
        table = tables.deliveries
        query = (
            select(table.c.channel, func.count())
            .where(table.c.last_try > stamp(now - MINUTE))
            .group_by(table.c.channel)
        )
        with self._book.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def move(self, ids: Iterable[int], state: State, detail: str) -> None:
        """Put deliveries into another state."""
        chosen, table = list(ids), tables.deliveries
        if not chosen:
            return
        with self._book.writing() as connection:
            change = update(table).where(table.c.id.in_(chosen))
            connection.execute(change.values(state=state.value, detail=detail))

    def claim(self, delivery: Delivery, now: datetime) -> Delivery | None:
        """Record that it is sent now; None if it is not wanted any more."""
        table = tables.deliveries
        with self._book.writing() as connection:
            mine = (table.c.id == delivery.id) & (table.c.state == State.PENDING.value)
            values = {
                "state": State.SENDING.value,
                "attempts": table.c.attempts + 1,
                "last_try": stamp(now),
            }
            if not connection.execute(update(table).where(mine).values(values)).rowcount:
                return None
            row = connection.execute(_JOINED.where(table.c.id == delivery.id)).one()
        return _delivery(row)

    def record(self, delivery: Delivery, answer: Answer, now: datetime, rng: Random) -> None:
        """Record the provider's answer to a claimed delivery, and how its channel does."""
        table = tables.deliveries
        detail = redacted(answer.detail, self._secrets)[:1_000]
        with self._book.writing() as connection:
            query = select(tables.channels).where(tables.channels.c.name == delivery.channel)
            row = connection.execute(query).one_or_none()
            health = HEALTHY if row is None else _health(row)
            values: dict[str, Any] = {"detail": detail}
            match answer.verdict:
                case Verdict.SENT:
                    values |= {
                        "state": State.SENT.value,
                        "sent": stamp(now),
                        "provider_id": answer.provider_id,
                    }
                    health = HEALTHY
                    _keep_thread(connection, delivery, answer)
                case Verdict.RETRY:
                    wait = plan.back_off(delivery.attempts, answer.wait, rng)
                    hopeless = plan.is_hopeless(delivery, now)
                    state = State.FAILED if hopeless else State.PENDING
                    values |= {"state": state.value, "next_try": stamp(now + wait)}
                    values |= {"doubtful": 1} if answer.doubtful else {}
                    health = _failed(health, answer, detail, now, rng)
                case Verdict.REFUSED:
                    values["state"] = State.FAILED.value
            connection.execute(update(table).where(table.c.id == delivery.id).values(values))
            _put_health(connection, delivery.channel, health, is_new=row is None)


def _failed(
    health: ChannelHealth, answer: Answer, detail: str, now: datetime, rng: Random
) -> ChannelHealth:
    failures = health.failures + 1
    wait = plan.back_off(failures, answer.wait, rng)
    return ChannelHealth(failures, health.since or now, now + wait, detail)


def _keep_thread(connection: Any, delivery: Delivery, answer: Answer) -> None:
    """Keep the first message of an incident, under which the next ones are put."""
    if delivery.thread or not answer.provider_id or delivery.channel != "slack":
        return
    table = tables.incidents
    own = (table.c.id == delivery.alert.incident) & (table.c.thread == "")
    connection.execute(update(table).where(own).values(thread=answer.provider_id))


def _put_health(connection: Any, name: str, health: ChannelHealth, *, is_new: bool) -> None:
    table = tables.channels
    values = {
        "failures": health.failures,
        "since": None if health.since is None else stamp(health.since),
        "until": None if health.until is None else stamp(health.until),
        "detail": health.detail,
    }
    if is_new:
        connection.execute(insert(table), [{"name": name, **values}])
    else:
        connection.execute(update(table).where(table.c.name == name).values(values))


def _health(row: Row[Any]) -> ChannelHealth:
    return ChannelHealth(row.failures, moment(row.since), moment(row.until), row.detail)


def _delivery(row: Row[Any]) -> Delivery:
    raised = moment(row.raised)
    assert raised is not None
    found = Delivery(
        id=row.id,
        alert=Alert.from_text(row.alert),
        channel=row.channel,
        step=row.step,
        state=State(row.state),
        attempts=row.attempts,
        raised=raised,
        next_try=moment(row.next_try),
        detail=row.detail,
        doubtful=bool(row.doubtful),
        more=row.more,
        since=moment(row.since),
        alert_id=row.alert_id,
    )
    return replace(found, thread=row.thread or "")
