"""AlexNet-GAP: its published grids, what its cells see, and its two options."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seekcam.export.onnx import describe_network, export_network
from seekcam.training.networks.alexnet import AlexNet
from seekcam.training.networks.network import NetworkError


def centres(network: AlexNet, side: int) -> tuple[Tensor, Tensor]:
    """The input row on which the middle row of the last and of the guiding features is centred, in all that it sees."""
    # With positive weights nothing cancels, and with averages for maxima every pixel in reach has a gradient.
    network = network.double().eval()
    for layer in list(network.trunk.modules()):
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    for index, layer in enumerate(network.trunk):
        if isinstance(layer, nn.MaxPool2d):
            network.trunk[index] = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    images = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    rows = []
    for features in network.forward_features(images):
        middle = features.shape[2] // 2
        seen = torch.autograd.grad(features[0, :, middle, middle].sum(), images, retain_graph=True)[0][
            0, 0, :, side // 2
        ]
        reached = seen.nonzero()
        rows.append((reached.min() + reached.max()) / 2)
    return rows[0], rows[1]


def test_the_published_form_has_11_by_11_cells_and_the_padded_one_covers_the_picture() -> None:
    images = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        published, padded = AlexNet(3, 224).eval(), AlexNet(3, 224, map_stride=16).eval()
        assert published.forward_features(images).last.shape == (1, 512, 11, 11)
        assert published.forward_features(images).stride16.shape == (1, 384, 11, 11)
        assert padded.forward_features(images).last.shape == (1, 512, 14, 14)
        assert padded.forward_features(images).stride16.shape == (1, 384, 14, 14)


@pytest.mark.parametrize(("stride", "first"), [(0, 31), (16, 0)])
def test_cells_of_both_grids_are_centred_on_the_same_pixels(stride: int, first: int) -> None:
    side = 288  # the middle cell then sees no rim
    last, guide = centres(AlexNet(1, side, map_stride=stride), side)
    cells = side // 16 - (3 if stride == 0 else 0)
    assert last == guide == first + 16 * (cells // 2)


def test_batchnorm_is_the_default_and_lrn_and_groups_are_options() -> None:
    kinds = {type(layer) for layer in AlexNet(3, 96).modules()}
    assert nn.BatchNorm2d in kinds
    assert nn.LocalResponseNorm not in kinds
    classic = AlexNet(3, 96, lrn=True, groups=True)
    convolutions = [layer for layer in classic.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.groups for layer in convolutions] == [1, 2, 1, 2, 2, 2, 2]
    assert [layer.out_channels for layer in convolutions] == [96, 256, 384, 384, 384, 512, 512]
    assert [layer.kernel_size[0] for layer in convolutions] == [11, 5, 3, 3, 3, 3, 3]
    assert sum(isinstance(layer, nn.LocalResponseNorm) for layer in classic.modules()) == 2
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in classic.modules())
    images = torch.randn(2, 3, 96, 96)
    classic.eval()
    torch.testing.assert_close(classic(images), classic.head(classic.forward_features(images).last.mean((2, 3))))


@pytest.mark.slow
def test_the_classic_form_exports_too(tmp_path: Path) -> None:
    network = AlexNet(3, 96, lrn=True, groups=True)
    card = describe_network(network, name="classic", classes=list("abc"), input_size=96)
    assert export_network(network, card, tmp_path / "classic.onnx").worst < 1e-3


@pytest.mark.parametrize(("size", "stride", "near"), [(64, 0, 96), (100, 0, 96), (230, 0, 224), (30, 16, 32)])
def test_sizes_that_leave_no_map_are_refused(size: int, stride: int, near: int) -> None:
    with pytest.raises(NetworkError, match=rf"multiple of 16 from \d+ up, not {size}: set input\.size to {near}\."):
        AlexNet(3, size, map_stride=stride)
