"""Fixtures that more than one test file needs."""

from pathlib import Path

import pytest

from localization.library import DEFAULT_MODEL, ModelLibrary


@pytest.fixture(scope="session")
def default_model_path() -> Path:
    """The default model's file, built once into the user's cache (some 30 s) when it is not there yet."""
    return ModelLibrary().ensure(DEFAULT_MODEL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps its own event loop running, and no other can be started beside it."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
