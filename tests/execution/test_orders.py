"""Which state follows which event."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import LedgerError
from kasauti.execution.model import Outcome
from kasauti.execution.orders import TRANSITIONS, OrderEvent, OrderState, advance, outcome_of

S, E = OrderState, OrderEvent

LIVES = [
    pytest.param([E.DENY], S.DENIED, id="denied at the gate"),
    pytest.param([E.EXPIRE], S.EXPIRED, id="past its window"),
    pytest.param([E.SEND, E.ACKNOWLEDGE, E.REST, E.FILL], S.FILLED, id="plain fill"),
    pytest.param([E.SEND, E.FILL, E.ACKNOWLEDGE], S.FILLED, id="fill before acknowledgement"),
    pytest.param([E.SEND, E.FILL_PART, E.REST], S.PARTIALLY_FILLED, id="late rest"),
    pytest.param([E.SEND, E.REST, E.FILL_PART, E.CANCEL], S.CANCELLED, id="cancel with fills"),
    pytest.param([E.SEND, E.CANCEL, E.FILL_PART], S.CANCELLED, id="part fill outrun by cancel"),
    pytest.param([E.SEND, E.CANCEL, E.FILL], S.FILLED, id="whole fill outrun by cancel"),
    pytest.param([E.SEND, E.AWAIT_TRIGGER, E.REST, E.LAPSE], S.LAPSED, id="stop lapses"),
    pytest.param([E.SEND, E.LOSE, E.REST, E.FILL], S.FILLED, id="unknown, then found"),
    pytest.param([E.SEND, E.LOSE, E.REJECT], S.REJECTED, id="unknown, then absent"),
    pytest.param([E.SEND, E.ACKNOWLEDGE, E.REJECT], S.REJECTED, id="rejected after acceptance"),
    pytest.param([E.SEND, E.FILL_PART, E.REJECT], S.CANCELLED, id="part fill, rest rejected"),
    pytest.param([E.SEND, E.REJECT, E.FILL_PART], S.CANCELLED, id="part fill outrun by refusal"),
    pytest.param([E.SEND, E.REJECT, E.FILL], S.FILLED, id="fill of one thought rejected"),
    pytest.param([E.SEND, E.FILL, E.CANCEL], S.FILLED, id="cancel outrun by the fill"),
    pytest.param([E.SEND, E.NEVER_ARRIVED, E.SEND, E.FILL], S.FILLED, id="never arrived"),
    pytest.param([E.SEND, E.REST, E.LOSE], S.OPEN, id="late loss changes nothing"),
]


@pytest.mark.parametrize(("events", "expected"), LIVES)
def test_life_of_an_order(events: list[OrderEvent], expected: OrderState) -> None:
    state = S.QUEUED
    for event in events:
        state = advance(state, event)
    assert state is expected


IMPOSSIBLE = [
    (S.QUEUED, E.FILL),
    (S.QUEUED, E.ACKNOWLEDGE),
    (S.DENIED, E.SEND),
    (S.EXPIRED, E.SEND),
    (S.EXPIRED, E.FILL),
    (S.FILLED, E.SEND),
    (S.REJECTED, E.SEND),
    (S.QUEUED, E.CANCEL),
    (S.DENIED, E.FILL),
    (S.CANCELLED, E.SEND),
    (S.UNKNOWN, E.SEND),
    (S.UNKNOWN, E.NEVER_ARRIVED),
    (S.ACCEPTED, E.NEVER_ARRIVED),
]


@pytest.mark.parametrize(("state", "event"), IMPOSSIBLE, ids=lambda value: value.value)
def test_impossible_events_are_refused(state: OrderState, event: OrderEvent) -> None:
    with pytest.raises(LedgerError, match="reconcile"):
        advance(state, event)


def test_every_state_has_a_row_and_every_order_an_outcome() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    assert {outcome_of(state) for state in OrderState} == set(Outcome)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.sampled_from(OrderEvent), max_size=12))
def test_possible_lives_are_idempotent_and_never_return_from_the_end(
    events: list[OrderEvent],
) -> None:
    state, sent_after_final = S.QUEUED, False
    for event in events:
        following = TRANSITIONS[state].get(event)
        if following is None:
            continue
        if event is not E.NEVER_ARRIVED:
            assert advance(following, event) is following, "a repeated event changes nothing"
        sent_after_final |= state.is_final and following.is_working
        state = following
    assert not sent_after_final
