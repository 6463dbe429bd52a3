"""The mAP table as JSON."""

import json
from pathlib import Path

from reidaug.reports.formats.json import write
from reidaug.reports.grids import row_order
from reidaug.reports.table import make_tables, table_values
from tests.factories import TABLE_VI


def test_one_object_of_strict_json_holds_the_values_of_the_table() -> None:
    tables = make_tables(TABLE_VI, Path())

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(write(tables), parse_constant=refuse)
    assert read == json.loads(json.dumps(table_values(tables)))
    assert [row["mean_ap_trapezoid"] for row in read["rows"]] == [
        result.mean_ap_trapezoid for result in sorted(TABLE_VI, key=row_order)
    ]
    assert json.loads(write([])) == {"rows": [], "summary": [], "comparisons": []}
