"""Exports of the study's reduced set, and of a data set with numbers beyond those of Market-1501."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reidaug.study.export import export_set
from reidaug.study.folder import Study
from reidaug.study.request import ExportRequest
from tests.datasets.makers import write_msmt17

Exporter = Callable[..., dict[str, Any]]


@pytest.fixture
def exported(study: Study, tmp_path: Path) -> Exporter:
    """Exports for a tool to the folder `sets`: the reduced set, or another one."""

    def export(tool: str, source: Path | None = None, **options: Any) -> dict[str, Any]:
        return export_set(ExportRequest(source or study.path / "p0.40" / "none", tmp_path / "sets", tool, **options))  # type: ignore[arg-type]

    return export


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Cameras up to 15."""
    return write_msmt17(tmp_path / "large")
