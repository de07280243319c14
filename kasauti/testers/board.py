"""The five testers together; what their opinions mean for an approval is the gate's."""

from collections.abc import Callable, Mapping

from kasauti.testers import execution, performance, risk, robustness, sceptic
from kasauti.testers.exam import Exam
from kasauti.testers.model import Opinion
from kasauti.validation.gates.model import Case, Gate

TESTERS: tuple[Callable[[Exam], Opinion], ...] = (
    performance.examine,
    robustness.examine,
    risk.examine,
    execution.examine,
    sceptic.examine,
)


def opinions_on(case: Case, found: Mapping[str, Gate]) -> tuple[Opinion, ...]:
    """Return every tester's opinion of one genome; none of them knows another's."""
    exam = Exam(case, found)
    return tuple(tester(exam) for tester in TESTERS)
