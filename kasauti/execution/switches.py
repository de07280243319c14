"""Who has stopped what: trading state, open breakers, latched strategies; part of the book's fold.

A state is the strictest of what a person chose and what open breakers ask for. A breaker closes by
a person's word; only those of `breakers` that watch a condition close with it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from kasauti.execution import events as ev
from kasauti.execution.events import TradingState

DRAWDOWN = "K23"
STREAK = "K37"
PASSING = frozenset({"K27", "K28"})  # breakers that close again by themselves


@dataclass(frozen=True)
class Tripped:
    """A breaker that is open: the state that it asks for, why, since when."""

    state: TradingState
    reason: str
    at: datetime
    flatten: bool = False


@dataclass
class Switches:
    """The fold of what stops trading, but for the kill latch.

    Attributes
    ----------
    chosen : TradingState
        What a person set.
    breakers : dict of control id to Tripped
    throttled : dict of genome hash to datetime
        Strategies that were executed too often, since when.
    released_at : datetime or None
        When a person last let all of them go.
    """

    chosen: TradingState = TradingState.ACTIVE
    breakers: dict[str, Tripped] = field(default_factory=dict)
    throttled: dict[str, datetime] = field(default_factory=dict)
    released_at: datetime | None = None

    @property
    def state(self) -> TradingState:
        """The strictest of all."""
        states = [self.chosen, *(breaker.state for breaker in self.breakers.values())]
        return max(states, key=tuple(TradingState).index)

    @property
    def cancels_entries(self) -> bool:
        """Whether entries that rest are taken back: not for what may be over in a moment."""
        stops = self.chosen is not TradingState.ACTIVE or self.state is TradingState.HALTED
        return stops or bool(self.breakers.keys() - PASSING)

    @property
    def flatten(self) -> bool:
        """Whether a breaker wants the open positions closed."""
        return any(breaker.flatten for breaker in self.breakers.values())

    def change(self, event: ev.TradingStateChanged, at: datetime) -> bool:
        """Take in a new state; whether a person let the drawdown's breaker go by it."""
        if event.breaker and event.state is not TradingState.ACTIVE:
            self.breakers[event.breaker] = Tripped(event.state, event.reason, at, event.flatten)
        elif event.breaker:
            self.breakers.pop(event.breaker, None)
        else:
            self.chosen = event.state
            return event.state is TradingState.ACTIVE and self._let_go()
        return False

    def resume(self, at: datetime) -> bool:
        """Let everything go; whether the drawdown's breaker was among it."""
        self.chosen = TradingState.ACTIVE
        self.throttled.clear()
        self.released_at = at
        return self._let_go()

    def _let_go(self) -> bool:
        fell = DRAWDOWN in self.breakers
        self.breakers.clear()
        return fell
