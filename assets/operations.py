"""What is made for people: the report."""

from typing import Any

import dagster as dg

from assets.execution import BOOK
from assets.present import result
from assets.validation import VERDICTS
from resources.project import Project

REPORT = dg.AssetKey(["operations", "report"])


@dg.asset(
    key=REPORT, deps=[VERDICTS, *BOOK], kinds={"html"}, code_version="1", group_name="operations"
)
def report(project: Project) -> dg.MaterializeResult[Any]:
    """One HTML file: what was tried, what survived, why the rest died, what was traded."""
    from kasauti.operations.collect import make_report

    made = make_report(project.desk(), project.now())
    # No version of its own: the page carries the time of its making, its inputs decide the rest.
    return result(None, {"file": dg.MetadataValue.path(made.path), "headline": made.headline})
