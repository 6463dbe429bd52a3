"""The mAP table as one JSON object: rows, means over seeds, differences with intervals and verdicts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reidaug.core.records import to_json

if TYPE_CHECKING:
    from reidaug.reports.table import Table


def write(tables: "Sequence[Table]") -> str:
    from reidaug.reports.table import table_values

    return to_json(table_values(tables))
