"""The map head against autograd, other people's implementations, and brute force in numpy."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pytorch_grad_cam import FinerCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import CAM, GradCAM, LayerCAM

from seekcam.export.graph import CamGraph, CamOutputs
from seekcam.localization.boxes import otsu as host_otsu
from seekcam.localization.card import METHODS
from seekcam.training.affinity import bilinear_weights, otsu, spread_maps, unit_range
from tests.helpers.networks import TinyNetwork, random_frames

Grid = NDArray[np.float64]

torch.set_num_threads(1)  # for tensors as small as these, threads cost more than they bring


def run(network: TinyNetwork, frames: Tensor, method: str = "cam", classes: Tensor | None = None) -> CamOutputs:
    """All outputs, one method for the whole batch, by rank unless classes are given."""
    graph = CamGraph(network.eval()).eval()
    if classes is None:
        classes = torch.full((len(frames), graph.mapped), -1)
    with torch.no_grad():
        outputs: CamOutputs = graph(frames, classes, torch.full((len(frames),), METHODS.index(method)))
    return outputs


def images_of(network: TinyNetwork, frames: Tensor) -> Tensor:
    """Normalised by hand, one channel after the other."""
    channels = [(frames[..., c].double() - network.mean[c]) / network.std[c] for c in range(3)]
    return torch.stack(channels, dim=1).float()


def gradients(network: TinyNetwork, frames: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Features A (B, K, h, w), and by autograd the gradients (B, k, K, h, w) of each chosen logit with respect to A."""
    features = network.forward_features(images_of(network, frames)).last.detach().requires_grad_()
    logits = network.head(features.mean((2, 3)))
    rows = []
    for position in range(classes.shape[1]):
        chosen = logits.gather(1, classes[:, position : position + 1]).sum()
        rows.append(torch.autograd.grad(chosen, features, retain_graph=True)[0])
    return features.detach(), torch.stack(rows, dim=1)


@pytest.mark.parametrize("bias", [True, False])
def test_a_class_map_averages_to_its_logit_without_the_bias(bias: bool) -> None:
    network, frames = TinyNetwork(bias=bias), random_frames(3)
    found = run(network, frames)
    offset = network.head.bias.detach()[found.chosen] if bias else torch.zeros(())
    torch.testing.assert_close(found.maps.mean((2, 3)) + offset, found.logits.gather(1, found.chosen))
    torch.testing.assert_close(found.logits, network(images_of(network, frames)), rtol=1e-4, atol=1e-5)


def test_ranks_are_those_of_a_sort_and_given_classes_stay() -> None:
    network, frames = TinyNetwork(classes=9), random_frames(4)
    order = run(network, frames).logits.argsort(dim=1, descending=True)
    asked = torch.tensor([[-1, -1, -1, -1, -1], [3, -1, -1, -1, 3], [0, 1, 2, 3, 4], [-1, 8, -1, 8, -1]])
    chosen = run(network, frames, classes=asked).chosen
    for frame, position in product(range(4), range(5)):
        wanted = asked[frame, position] if asked[frame, position] >= 0 else order[frame, position]
        assert chosen[frame, position] == wanted


def test_gradient_methods_equal_autograd() -> None:
    network, frames = TinyNetwork(), random_frames(3, seed=1)
    classes = run(network, frames).chosen
    A, g = gradients(network, frames, classes)
    A = A.unsqueeze(1)
    cells = A.shape[-1] * A.shape[-2]
    gradcam = (g.mean((3, 4), keepdim=True) * A).sum(2).relu()
    layercam = (g.relu() * A).sum(2).relu()
    # For y = exp(S) the second and third derivatives are powers of the first (Chattopadhay et al., section 3.3).
    alpha = g**2 / (2 * g**2 + (A * g**3).sum((3, 4), keepdim=True))
    plusplus = ((alpha * g.relu()).nan_to_num().sum((3, 4), keepdim=True) * A).sum(2).relu()
    # A map of ours carries the class's weights where autograd has them divided by the number of cells.
    for method, wanted in (("gradcam", gradcam * cells), ("layercam", layercam * cells), ("gradcam++", plusplus)):
        torch.testing.assert_close(run(network, frames, method).maps, wanted, rtol=1e-4, atol=1e-5)


def test_recombined_and_finer_cam_equal_loops_over_channels() -> None:
    network, frames = TinyNetwork(classes=6), random_frames(2, seed=2)
    W = network.head.weight.detach().double().numpy()
    recombined, finer = run(network, frames, "recombined"), run(network, frames, "finercam")
    for frame, position in product(range(2), range(5)):
        c = int(recombined.chosen[frame, position])
        A = recombined.features[frame].double().numpy()
        positive = sum(W[c, k] * A[k] for k in range(len(A)) if W[c, k] > 0)
        negative = sum(W[c, k] * A[k] for k in range(len(A)) if W[c, k] < 0)
        np.testing.assert_allclose(recombined.maps[frame, position].numpy(), positive - negative, rtol=1e-4, atol=1e-4)
        distance = (finer.logits[frame] - finer.logits[frame, c]).abs().numpy()
        nearest = [o for o in np.argsort(distance) if o != c][:3]
        row = W[c] - 0.6 * (W[nearest[0]] + W[nearest[1]] + W[nearest[2]]) / 3
        np.testing.assert_allclose(
            finer.maps[frame, position].numpy(), np.tensordot(row, A, axes=1), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    ("method", "theirs", "options"),
    [
        ("cam", CAM, {"fc_layer": "head"}),
        ("gradcam", GradCAM, {}),
        ("layercam", LayerCAM, {}),
    ],
)
def test_torchcam_makes_the_same_maps(method: str, theirs: type[Any], options: dict[str, Any]) -> None:
    network, frames = TinyNetwork(seed=3), random_frames(1, seed=3)
    found = run(network, frames, method)
    for position, c in enumerate(found.chosen[0].tolist()):
        with theirs(network, target_layer="coarse", **options) as extractor:
            scores = network(images_of(network, frames))
            (wanted,) = extractor(c, scores, normalized=True)
        torch.testing.assert_close(unit(found.maps[0, position]), unit(wanted[0]), rtol=1e-3, atol=1e-4)


def test_pytorch_grad_cam_makes_the_same_finer_cam_when_there_is_one_neighbour() -> None:
    # It weights several neighbours by their probability; with one the two definitions are the same.
    network, frames = TinyNetwork(classes=2, seed=4), random_frames(1, seed=4)
    found = run(network, frames, "finercam")
    with FinerCAM(network, [network.coarse]) as theirs:
        wanted = theirs(images_of(network, frames), target_idx=None, alpha=0.6, comparison_categories=[1])
    np.testing.assert_allclose(enlarged(found.maps[0, 0].relu()), wanted[0], atol=2e-3)


def test_pytorch_grad_cam_makes_the_same_grad_cam_plus_plus() -> None:
    # Not held against torchcam 0.5: it divides a masked copy, so that alpha keeps its numerator only.
    network, frames = TinyNetwork(seed=3), random_frames(1, seed=3)
    found = run(network, frames, "gradcam++")
    with GradCAMPlusPlus(network, [network.coarse]) as theirs:
        for position, c in enumerate(found.chosen[0].tolist()):
            wanted = theirs(images_of(network, frames), targets=[ClassifierOutputTarget(c)])
            np.testing.assert_allclose(enlarged(found.maps[0, position]), wanted[0], atol=2e-3)


def enlarged(grid: Tensor) -> NDArray[np.float32]:
    """A map min-max scaled, brought to the picture's size and scaled again, as pytorch-grad-cam returns it."""
    full = F.interpolate(unit(grid)[None, None], (64, 64), mode="bilinear", align_corners=False)
    scaled: NDArray[np.float32] = unit(full[0, 0]).numpy()
    return scaled


def unit(grid: Tensor) -> Tensor:
    """Min-max over one map."""
    grid = grid.detach().float()
    return (grid - grid.min()) / (grid.max() - grid.min()).clamp_min(1e-12)


def affinities_by_hand(guide: Grid) -> Grid:
    """(n, n) from guide (K, n), one pair of cells after the other."""
    n = guide.shape[1]
    affinity = np.zeros((n, n))
    for i, j in product(range(n), range(n)):
        lengths = float(np.linalg.norm(guide[:, i]) * np.linalg.norm(guide[:, j]))
        affinity[i, j] = max(0.0, float(guide[:, i] @ guide[:, j]) / lengths) ** 3
    return affinity


def spread_by_hand(grid: Grid, affinity: Grid) -> Grid:
    """One class map spread cell by cell: grid (n) on the guide's cells, affinity (n, n)."""
    n = grid.size
    value = (grid - grid.min()) / (grid.max() - grid.min())
    for _ in range(3):
        value = np.array([affinity[i] @ value / affinity[i].sum() for i in range(n)])
    spread: Grid = (value - value.min()) / (value.max() - value.min())
    return spread


@pytest.mark.parametrize("method", ["cam", "gradcam", "finercam"])
def test_spread_maps_equal_brute_force_for_every_class(method: str) -> None:
    network, frames = TinyNetwork(seed=5), random_frames(2, seed=5)
    found = run(network, frames, method)
    guide = network.forward_features(images_of(network, frames)).stride16.detach().double().flatten(2).numpy()
    fine = F.interpolate(found.maps, (8, 8), mode="bilinear", align_corners=False).double().flatten(2).numpy()
    for frame in range(2):
        affinity = affinities_by_hand(guide[frame])
        for position in range(5):
            wanted = spread_by_hand(fine[frame, position], affinity)
            np.testing.assert_allclose(found.spread[frame, position].flatten().numpy(), wanted, atol=2e-5)


@given(fine=st.integers(1, 30), coarse=st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_bilinear_weights_interpolate_as_torch_does(fine: int, coarse: int) -> None:
    signal = torch.randn(1, 1, coarse, generator=torch.Generator().manual_seed(fine))
    wanted = F.interpolate(signal, fine, mode="linear", align_corners=False)
    torch.testing.assert_close(bilinear_weights(fine, coarse) @ signal[0, 0], wanted[0, 0], rtol=1e-4, atol=1e-5)


@given(grids=arrays.arrays(np.float32, (2, 3, 4, 5), elements=st.floats(0, 1, width=32)))
@settings(deadline=None, max_examples=60)
def test_otsu_finds_a_cut_as_good_as_any(grids: NDArray[np.float32]) -> None:
    found = otsu(torch.from_numpy(grids))
    for image, position in product(range(2), range(3)):
        values = grids[image, position].flatten().astype(float).tolist()
        best = max(variance_between(values, value) for value in values)
        threshold = float(found[image, position])
        assert threshold in values
        assert variance_between(values, threshold) == pytest.approx(best, rel=1e-3, abs=1e-6)


def variance_between(values: list[float], threshold: float) -> float:
    """Otsu's criterion, up to a factor, of the cut with the foreground at or above `threshold`."""
    above = [v for v in values if v >= threshold]
    below = [v for v in values if v < threshold]
    if not above or not below:
        return 0.0
    difference = float(np.mean(above) - np.mean(below))
    return len(above) * len(below) * difference**2


def test_graph_and_host_choose_the_same_threshold_of_real_maps() -> None:
    found = run(TinyNetwork(seed=6), random_frames(4, seed=6))
    for frame, position in product(range(4), range(5)):
        wanted = host_otsu(found.spread[frame, position].numpy())
        assert float(found.threshold[frame, position]) == pytest.approx(wanted, abs=1e-6)


def test_a_batch_equals_its_frames_one_by_one_with_methods_mixed() -> None:
    network, frames = TinyNetwork(seed=7), random_frames(len(METHODS), seed=7)
    graph = CamGraph(network.eval())
    methods = torch.arange(len(METHODS))
    classes = torch.tensor([[-1, -1, 2, -1, -1], [5, 4, 3, 2, 1], *[[-1] * 5] * (len(METHODS) - 2)])
    with torch.no_grad():
        whole: CamOutputs = graph(frames, classes, methods)
        for i in range(len(METHODS)):
            single: CamOutputs = graph(frames[i : i + 1], classes[i : i + 1], methods[i : i + 1])
            for batched, alone in zip(whole, single, strict=True):
                torch.testing.assert_close(batched[i : i + 1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 6])
def test_few_classes_give_few_maps_and_no_nan(classes: int) -> None:
    network, frames = TinyNetwork(classes=classes), random_frames(2)
    for method in METHODS:
        found = run(network, frames, method)
        assert found.chosen.shape == (2, min(5, classes))
        assert found.spread.shape == (2, min(5, classes), 8, 8)
        assert all(bool(value.isfinite().all()) for value in found)


def test_finer_cam_of_a_single_class_is_its_cam() -> None:
    network, frames = TinyNetwork(classes=1), random_frames(2)
    torch.testing.assert_close(run(network, frames, "finercam").maps, run(network, frames, "cam").maps)


def test_constant_maps_and_dead_features_become_zeros() -> None:
    flat = torch.full((1, 2, 4, 4), 3.7)
    assert not unit_range(flat).any()
    assert not spread_maps(flat, torch.randn(1, 5, 8, 8)).any()
    assert not spread_maps(torch.randn(1, 2, 4, 4), torch.zeros(1, 5, 8, 8)).any()
    black = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    network = TinyNetwork()
    nn.init.zeros_(network.head.weight)
    found = run(network, black)
    assert not found.spread.any()
    assert not found.threshold.any()


def test_spread_is_in_the_unit_range_and_reaches_both_ends() -> None:
    found = run(TinyNetwork(seed=8), random_frames(3, seed=8))
    torch.testing.assert_close(found.spread.amin((2, 3)), torch.zeros(3, 5))
    torch.testing.assert_close(found.spread.amax((2, 3)), torch.ones(3, 5))
