"""The morning file that the paper venue is told."""

from dataclasses import replace
from decimal import Decimal

import pytest

from kasauti.execution.brokers.matching import Instrument
from kasauti.execution.listing import morning_file
from kasauti.execution.references import Reference
from tests.execution.world import DAYS, YESTERDAY

D = Decimal
KNOWN = Reference("TEST", YESTERDAY, D(100))
LISTED = Instrument(D(100), D("0.20"))
CASES = [
    ("nothing else is known", KNOWN, LISTED),
    ("its band", replace(KNOWN, band=D("0.05")), replace(LISTED, band=D("0.05"))),
    ("no auction", replace(KNOWN, closing_auction=False), replace(LISTED, closing_auction=False)),
    ("its tick", replace(KNOWN, tick=D("0.10")), replace(LISTED, tick=D("0.10"))),
    ("an older close", replace(KNOWN, day=DAYS[0]), replace(LISTED, previous_close=None)),
]


@pytest.mark.parametrize(("known", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_it_says_what_the_references_know(known: Reference, said: Instrument) -> None:
    found = morning_file(["NOBODY", "TEST"], {"TEST": known}.get, YESTERDAY)
    assert found == {"TEST": said}
