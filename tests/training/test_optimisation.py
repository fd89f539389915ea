"""Learning rates against torch's own schedulers, and the two parameter groups."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler

from seekcam.training.networks.catalogue import build_network
from seekcam.training.optimisation import build_optimiser, rate_factor, set_rate, weight_decay_factor
from seekcam.training.recipe import NetworkTable, OptimiserTable, ScheduleTable, Stage

RATE = 0.25


def rates_of_torch(scheduler: lr_scheduler.LRScheduler, count: int) -> list[float]:
    rates = []
    for _ in range(count):
        rates.append(float(scheduler.get_last_lr()[0]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)


@given(epochs=st.integers(1, 60))
@settings(deadline=None, max_examples=20)
def test_cosine_is_torchs(epochs: int) -> None:
    schedule = ScheduleTable(epochs=epochs, kind="cosine")
    ours = [RATE * rate_factor(schedule, epoch) for epoch in range(epochs)]
    assert ours == pytest.approx(rates_of_torch(lr_scheduler.CosineAnnealingLR(sgd(), epochs), epochs), abs=1e-9)


@given(epochs=st.integers(1, 60), every=st.integers(1, 20), factor=st.floats(0.05, 1))
@settings(deadline=None, max_examples=20)
def test_step_is_torchs(epochs: int, every: int, factor: float) -> None:
    schedule = ScheduleTable(epochs=epochs, kind="step", step_epochs=every, step_factor=factor)
    ours = [RATE * rate_factor(schedule, epoch) for epoch in range(epochs)]
    assert ours == pytest.approx(rates_of_torch(lr_scheduler.StepLR(sgd(), every, factor), epochs))


@given(warmup=st.integers(1, 10), rest=st.integers(1, 30))
@settings(deadline=None, max_examples=20)
def test_warm_up_and_cosine_are_torchs(warmup: int, rest: int) -> None:
    optimiser = sgd()
    oracle = lr_scheduler.SequentialLR(
        optimiser,
        [
            lr_scheduler.LinearLR(optimiser, start_factor=1e-12, total_iters=warmup),
            lr_scheduler.CosineAnnealingLR(optimiser, rest),
        ],
        milestones=[warmup],
    )
    schedule = ScheduleTable(epochs=warmup + rest, kind="cosine", warmup=warmup)
    ours = [RATE * rate_factor(schedule, epoch) for epoch in range(warmup + rest)]
    assert ours == pytest.approx(rates_of_torch(oracle, warmup + rest), abs=1e-9)


@given(lengths=st.lists(st.integers(1, 9), min_size=2, max_size=5))
@settings(deadline=None, max_examples=20)
def test_stages_of_equal_falls_are_torchs_milestones(lengths: list[int]) -> None:
    stages = tuple(Stage(epochs=length, rate_factor=0.5**place) for place, length in enumerate(lengths))
    schedule = ScheduleTable(epochs=sum(lengths), kind="stages", stages=stages)
    milestones = [sum(lengths[: place + 1]) for place in range(len(lengths) - 1)]
    oracle = rates_of_torch(lr_scheduler.MultiStepLR(sgd(), milestones, 0.5), sum(lengths))
    assert [RATE * rate_factor(schedule, epoch) for epoch in range(sum(lengths))] == pytest.approx(oracle)


def test_the_last_stage_holds_on_and_weight_decay_follows_the_stages() -> None:
    stages = (Stage(epochs=2, rate_factor=1.0), Stage(epochs=1, rate_factor=0.1, weight_decay_factor=0.0))
    schedule = ScheduleTable(epochs=9, kind="stages", stages=stages)
    assert rate_factor(schedule, 8.9) == 0.1
    assert [weight_decay_factor(schedule, time) for time in (0, 1.99, 2, 8.9)] == [1, 1, 0, 0]


def test_the_head_is_a_group_of_its_own_and_both_follow_the_schedule() -> None:
    network = build_network(NetworkTable(name="mobilenet-v3-small", pretrained=False), 3, 32)
    table = OptimiserTable(learning_rate=0.02, head_factor=10, weight_decay=0.01)
    optimiser = build_optimiser(network, table)
    trunk, head = optimiser.param_groups
    fast = [p for layer in network.fast_layers() for p in layer.parameters()]
    assert {id(p) for p in head["params"]} == {id(p) for p in fast}
    assert len(trunk["params"]) + len(head["params"]) == len(list(network.parameters()))
    schedule = ScheduleTable(epochs=10, kind="step", step_epochs=4, step_factor=0.1)
    assert set_rate(optimiser, table, schedule, 5.0) == pytest.approx(0.002)
    assert (trunk["lr"], head["lr"]) == pytest.approx((0.002, 0.02))
    assert trunk["weight_decay"] == head["weight_decay"] == pytest.approx(0.01)
    assert trunk["nesterov"]


def test_what_is_not_trained_is_in_no_group() -> None:
    network = build_network(NetworkTable(name="mobilenet-v3-small", pretrained=False), 3, 32)
    for parameter in network.trunk.parameters():
        parameter.requires_grad_(False)
    (head,) = build_optimiser(network, OptimiserTable()).param_groups
    assert {id(p) for p in head["params"]} == {id(p) for layer in network.fast_layers() for p in layer.parameters()}
