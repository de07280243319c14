"""Four floats in one register, for loops that no compiler vectorises; no kernel lives here.

Numba vectorises a loop only where nothing changes by it. That leaves out every sum, whose order
would change, and is no gain in short loops. These functions exist in compiled code alone and become
one or two instructions each. Every lane obeys IEEE 754 and sums have one stated order, so results
are equal on every machine.
"""

import operator
from collections.abc import Callable
from typing import Any, Protocol

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model
from numba.np import arrayobj

from kasauti.market.bars import Floats

LANES = 4


class Four(Protocol):
    """Four float64, with the operators of one."""

    def __add__(self, other: "Four", /) -> "Four": ...
    def __sub__(self, other: "Four", /) -> "Four": ...
    def __mul__(self, other: "Four", /) -> "Four": ...
    def __truediv__(self, other: "Four", /) -> "Four": ...


class _FourType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Four")


_FOUR = _FourType()
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_INDICES = ir.VectorType(ir.IntType(64), LANES)
_ORDER = ir.Constant(_INDICES, list(range(LANES)))
_ZEROS = ir.Constant(_DOUBLES, [0.0] * LANES)

Emit = Callable[..., Any]
"""Writes instructions with the builder that it gets first, and returns the value of the last."""


@register_model(_FourType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]  # numba has no types
    def __init__(self, manager: Any, kind: _FourType) -> None:
        super().__init__(manager, kind, _DOUBLES)


def _lowered(emit: Emit) -> Emit:
    return lambda _context, builder, _signature, given: emit(builder, *given)


def _operator(function: Emit, instruction: str) -> None:
    cases = {"cases": [signature(_FOUR, _FOUR, _FOUR)]}
    infer_global(function)(type(f"_{instruction}", (ConcreteTemplate,), cases))
    emit = _lowered(lambda builder, a, b: getattr(builder, instruction)(a, b))
    lower_builtin(function, _FOUR, _FOUR)(emit)


def _of_one(result: Any, a: Any, emit: Emit) -> Any:
    def typed(_: object, _a: object) -> tuple[object, Emit]:
        return result(a), _lowered(emit)

    return intrinsic(typed)


def _of_two(result: Any, a: Any, b: Any, emit: Emit) -> Any:
    def typed(_: object, _a: object, _b: object) -> tuple[object, Emit]:
        return result(a, b), _lowered(emit)

    return intrinsic(typed)


def _of_three(result: Any, a: Any, b: Any, c: Any, emit: Emit) -> Any:
    def typed(_: object, _a: object, _b: object, _c: object) -> tuple[object, Emit]:
        return result(a, b, c), _lowered(emit)

    return intrinsic(typed)


def _lane(number: int) -> Any:
    return ir.Constant(ir.IntType(32), number)


def _spread(builder: Any, value: Any, kind: Any = _DOUBLES) -> Any:
    none = ir.Constant(kind, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(builder.insert_element(none, value, _lane(0)), none, everywhere)


def _picked(builder: Any, order: str, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(order, a, b), a, b)


def _positive(builder: Any, test: Any, a: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", test, _ZEROS), a, _ZEROS)


def _first(builder: Any, a: Any, count: Any, others: Any) -> Any:
    among = builder.icmp_signed("<", _ORDER, _spread(builder, count, _INDICES))
    return builder.select(among, a, others)


def _replaced(builder: Any, a: Any, lane: Any, value: Any) -> Any:
    one = builder.icmp_signed("==", _ORDER, _spread(builder, lane, _INDICES))
    return builder.select(one, _spread(builder, value), a)


def _joined(join: Emit) -> Emit:
    """Return what joins first with third, second with fourth, and both results."""

    def emit(builder: Any, four: Any) -> Any:
        a, b, c, d = (builder.extract_element(four, _lane(k)) for k in range(LANES))
        return join(builder, join(builder, a, c), join(builder, b, d))

    return emit


def _load(_: object, array: types.Array, _index: object) -> tuple[object, Emit]:
    def generate(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        source = arrayobj.make_array(sig.args[0])(context, builder, given[0])
        place = builder.bitcast(builder.gep(source.data, [given[1]]), _DOUBLES.as_pointer())
        found = builder.load(place)
        found.align = 8  # any element, not every fourth
        return found

    return _FOUR(array, types.int64), generate


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")

load: Callable[[Floats, int], Four] = intrinsic(_load)
"""Return the elements `index` to `index` + 3; all of them must be there."""

splat: Callable[[float], Four] = _of_one(_FOUR, types.float64, _spread)
"""Return a value in all lanes."""

smaller: Callable[[Four, Four], Four] = _of_two(
    _FOUR, _FOUR, _FOUR, lambda builder, a, b: _picked(builder, "<", a, b)
)
"""Return the smaller of each lane's two values; the second where one is NaN."""

larger: Callable[[Four, Four], Four] = _of_two(
    _FOUR, _FOUR, _FOUR, lambda builder, a, b: _picked(builder, ">", a, b)
)
"""Return the larger of each lane's two values; the second where one is NaN."""

where_positive: Callable[[Four, Four], Four] = _of_two(_FOUR, _FOUR, _FOUR, _positive)
"""Return the second where the first is above 0, else 0."""

first_lanes: Callable[[Four, int, Four], Four] = _of_three(_FOUR, _FOUR, types.int64, _FOUR, _first)
"""Return the first `count` lanes of one and the others of the other; `count` may be any number."""

with_lane: Callable[[Four, int, float], Four] = _of_three(
    _FOUR, _FOUR, types.int64, types.float64, _replaced
)
"""Return a register with another value in one lane; unchanged where there is no such lane."""

total: Callable[[Four], float] = _of_one(
    types.float64, _FOUR, _joined(lambda builder, a, b: builder.fadd(a, b))
)
"""Return (first + third) + (second + fourth)."""

lowest: Callable[[Four], float] = _of_one(
    types.float64, _FOUR, _joined(lambda builder, a, b: _picked(builder, "<", a, b))
)
"""Return the least value, none of them NaN."""

highest: Callable[[Four], float] = _of_one(
    types.float64, _FOUR, _joined(lambda builder, a, b: _picked(builder, ">", a, b))
)
"""Return the greatest value, none of them NaN."""


def _fetch(_: object, array: types.Array, _index: object) -> tuple[object, Emit]:
    def generate(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        source = arrayobj.make_array(sig.args[0])(context, builder, given[0])
        octets = ir.IntType(8).as_pointer()
        place = builder.bitcast(builder.gep(source.data, [given[1]]), octets)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [octets, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [octets], kind)
        builder.call(fetch, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


fetch = intrinsic(_fetch)
"""``fetch(array, index)``: have that element's line in the first cache soon, to be written."""
