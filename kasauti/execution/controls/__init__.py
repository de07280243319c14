"""The controls of the gate, in order of their numbers; how one is built lies in `model`."""

from kasauti.execution.controls.amounts import AMOUNTS
from kasauti.execution.controls.authority import AUTHORITY
from kasauti.execution.controls.connection import CONNECTION
from kasauti.execution.controls.flow import FLOW
from kasauti.execution.controls.model import Comparison, Control, GateInput
from kasauti.execution.controls.sanity import SANITY

CONTROLS: tuple[Control, ...] = tuple(
    sorted(
        (*AUTHORITY, *SANITY, *AMOUNTS, *FLOW, *CONNECTION),
        key=lambda control: control.id,
    )
)

__all__ = ["CONTROLS", "Comparison", "Control", "GateInput"]
