"""Everything in this folder is run by `pytest -m hostile` alone, with a fixed seed."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "hostile", derandomize=True, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck)
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/hostile/" in item.nodeid:
            item.add_marker(pytest.mark.hostile)
