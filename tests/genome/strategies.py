"""Hypothesis strategies for random typed trees and genomes; any area's tests may use them."""

from hypothesis import strategies as st

from kasauti.genome import Binary, Call, Distance, DistanceKind, Expression, Genome, Side, Unary
from kasauti.genome.forms import FORMS, Form
from kasauti.genome.language import FUNCTIONS, SERIES, Unit
from kasauti.genome.model import Number, Series
from kasauti.regimes.model import REGIMES

_FORMS_OF = {unit: [form for form in FORMS if form.result is unit] for unit in Unit}
_CLOSE = Series("close")
_FOURTEEN = Number(14.0)
_LEAVES: dict[Unit, Expression] = {
    Unit.PRICE_CHANGE: Call("atr", (_FOURTEEN,)),
    Unit.INDEX_CHANGE: Call("std", (Series("index"), _FOURTEEN)),
    Unit.VOLUME_FLOW: Call("obv", ()),
    Unit.OSCILLATOR: Call("adx", (_FOURTEEN,)),
    Unit.PERCENT: Call("roc", (_CLOSE, _FOURTEEN)),
    Unit.FRACTION: Call("rank", (_CLOSE, _FOURTEEN)),
    Unit.DEVIATION: Call("zscore", (_CLOSE, _FOURTEEN)),
    Unit.RATIO: Binary("/", _CLOSE, Series("open")),
    Unit.BOOLEAN: Call("doji", ()),
}


def numbers() -> st.SearchStrategy[Number]:
    """Finite constants, whole ones and zero among them."""
    floats = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(st.integers(-300, 300).map(float), floats).map(lambda v: Number(v + 0.0))


def windows(low: float = 2, high: float = 500) -> st.SearchStrategy[Number]:
    """Windows within their range."""
    return st.integers(int(low), int(high)).map(lambda v: Number(float(v)))


def expressions(unit: Unit = Unit.BOOLEAN, depth: int = 4) -> st.SearchStrategy[Expression]:
    """Trees of `unit` that pass the type check, at most about `depth` levels."""
    return _expressions(unit, depth)


def genomes() -> st.SearchStrategy[Genome]:
    """Genomes that pass `check_genome`."""
    fractions = st.floats(0.0001, 0.9999).map(lambda v: Distance(DistanceKind.FRACTION, v))
    multiples = st.floats(0.01, 20.0).map(lambda v: Distance(DistanceKind.ATR, v))
    distances = st.one_of(fractions, multiples)
    return st.builds(
        Genome,
        entry=expressions(),
        exit=expressions(),
        side=st.sampled_from(Side),
        stop=distances,
        target=st.none() | distances,
        trail=st.none() | distances,
        max_bars=st.none() | st.integers(1, 10_000),
        regimes=st.frozensets(st.sampled_from(REGIMES), min_size=1),
        risk=st.floats(0.0001, 1.0),
    )


@st.composite
def _expressions(draw: st.DrawFn, unit: Unit, depth: int) -> Expression:
    if unit is Unit.NUMBER and (depth <= 0 or draw(st.integers(0, 9)) > 0):
        return draw(numbers())
    if depth <= 0 or draw(st.integers(0, 5)) == 0:
        return _leaf(draw, unit)
    form = draw(st.sampled_from(_FORMS_OF[unit]))
    if form.node is Call:
        return Call(form.symbol, _arguments(draw, form, depth))
    operands = [draw(expressions(operand, depth - 1)) for operand in form.operands]
    if form.node is Unary:
        # A minus before a constant is the constant's own sign.
        return operands[0] if isinstance(operands[0], Number) else Unary(form.symbol, operands[0])
    if form.symbol == "/" and operands[1] == Number(0.0):
        operands[1] = Number(2.0)
    return Binary(form.symbol, operands[0], operands[1])


def _arguments(draw: st.DrawFn, form: Form, depth: int) -> tuple[Expression, ...]:
    function = FUNCTIONS[form.symbol]
    values: list[Expression] = []
    least = 0.0
    for parameter, operand in zip(function.parameters, form.operands, strict=True):
        if parameter.unit is Unit.WINDOW:
            high = 250.0 if parameter.name == "fast" else parameter.high
            window = draw(windows(max(parameter.low, least), high))
            least = window.value + 1 if parameter.name == "fast" else 0.0
            values.append(window)
        elif parameter.unit is Unit.NUMBER:
            values.append(Number(draw(st.floats(parameter.low, parameter.high))))
        else:
            values.append(draw(expressions(operand, depth - 1)))
    return tuple(values)


def _leaf(draw: st.DrawFn, unit: Unit) -> Expression:
    named = [name for name, of in SERIES.items() if of is unit]
    if named:
        return Series(draw(st.sampled_from(named)))
    if unit is Unit.NUMBER:
        return draw(numbers())
    return _LEAVES[unit]
