"""Fixtures that more than one test file needs."""

from pathlib import Path

import pytest

from seekcam.localization.library import DEFAULT_MODEL, ModelLibrary


@pytest.fixture(scope="session")
def default_model_path() -> Path:
    """The default model's file, built once into the user's cache (some 30 s) when it is not there yet."""
    return ModelLibrary().ensure(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def small_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second model, `small`: random weights, five classes, two of them ImageNet's, and never "not sure"."""
    # Imported here: most tests need no torch.
    from seekcam.export.onnx import describe_network, export_network
    from tests.helpers.networks import SIDE, TinyNetwork

    network = TinyNetwork(classes=5, seed=3).eval()
    card = describe_network(
        network,
        name="small",
        classes=["albatross", "tabby", "Egyptian cat", "auklet", "bunting"],
        class_ids=["001", "n02123045", "n02124075", "002", "003"],
        input_size=SIDE,
        dataset="five things",
        network="tiny",
        recipe={"name": "has-32", "about": "patches hidden", "schedule": {"epochs": 7, "batch": 4}},
        recipe_hash="0123456789ab",
        metrics={"top1_clas": 73.25},
        min_score=0.0,
    )
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    export_network(network, card, path)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps its own event loop running, and no other can be started beside it."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
