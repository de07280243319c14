"""Gate 6: five testers examine the whole genome; none of them may refuse it."""

from collections.abc import Mapping

from kasauti.testers.board import opinions_on
from kasauti.testers.model import Ruling
from kasauti.validation.gates.model import Case, Gate


def examine(case: Case, found: Mapping[str, Gate]) -> Gate:
    """Hear all five; `found` holds the other gates' findings by name, as far as there are any."""
    opinions = opinions_on(case, found)
    figures = {one.tester: one.to_json() for one in opinions}
    failed = [one for one in opinions if one.ruling is Ruling.FAIL]
    if failed:
        told: dict[str, list[str]] = {}
        for one in failed:
            against = [check.words for check in one.checks if check.ruling is Ruling.FAIL]
            told.setdefault(", ".join(against), []).append(one.tester)
        reason = "; ".join(f"{' and '.join(who)}: {words}" for words, who in told.items())
        return Gate("testers", False, reason, figures)
    scores = ", ".join(
        f"{one.tester} {one.score:.0f}" + (" (doubts)" if one.ruling is Ruling.DOUBT else "")
        for one in opinions
    )
    return Gate("testers", True, f"none of the five testers refuses it: {scores} of 100", figures)
