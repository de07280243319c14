"""How results look in Dagster: metadata tables, plots and schemas; nothing is computed here."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from kasauti.version import EVERYTHING, code_version

if TYPE_CHECKING:
    import pandas as pd

    from kasauti.operations.figure import Plot

TABLE_ROWS = 50
CODE_TAG = "kasauti/code"  # of what computed it, so that other code computes it anew


def table(rows: Iterable[Mapping[Any, Any]]) -> dg.TableMetadataValue:
    """Return the first rows as a table; no number becomes text, a cell that a row lacks empty."""
    first = list(islice(rows, TABLE_ROWS))
    names = list(dict.fromkeys(str(name) for row in first for name in row))
    records = [
        {**dict.fromkeys(names, ""), **{str(name): _shown(value) for name, value in row.items()}}
        for row in first
    ]
    schema = None if names else dg.TableSchema([dg.TableColumn("nothing")])
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records], schema)


def _shown(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float) else str(value)


def plot(picture: "Plot") -> dg.MarkdownMetadataValue:
    """Return a drawing as an image that the UI shows."""
    return dg.MetadataValue.md(picture.markdown)


def schema(frame: "pd.DataFrame") -> dg.TableSchemaMetadataValue:
    """Return the column names and types of `frame`."""
    return dg.TableSchemaMetadataValue(
        dg.TableSchema(
            [dg.TableColumn(str(name), str(kind)) for name, kind in frame.dtypes.items()]
        )
    )


def result(
    version: str | None,
    metadata: Mapping[str, Any],
    frame: "pd.DataFrame | None" = None,
    key: dg.AssetKey | None = None,
) -> dg.MaterializeResult[Any]:
    """Return a materialisation whose data version is the content's hash."""
    extra: dict[str, Any] = {}
    if frame is not None:
        extra = {"dagster/row_count": len(frame), "dagster/column_schema": schema(frame)}
    return dg.MaterializeResult(
        asset_key=key,
        data_version=None if version is None else dg.DataVersion(version),
        metadata={**metadata, **extra},
        tags={CODE_TAG: code_version(EVERYTHING)},
    )
