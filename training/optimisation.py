"""The optimiser's two parameter groups, and how their learning rate falls over a run.

Schedules are pure functions of the time in epochs, so that a run that goes on after a break needs to restore nothing.
Defaults follow what the field trains with: SGD with Nesterov momentum 0.9, the new layers ten times as fast as the
pretrained ones (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020).
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from seekcam.training.networks.network import TrainableNetwork
from seekcam.training.recipe import OptimiserTable, ScheduleTable


def build_optimiser(network: TrainableNetwork, table: OptimiserTable) -> torch.optim.SGD:
    """SGD over two groups: the trunk, and `network.fast_layers()` at `head_factor` times its rate.

    A parameter that needs no gradient is in neither group.
    """
    fast = {id(p) for layer in network.fast_layers() for p in layer.parameters()}
    assert isinstance(network, nn.Module)
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if id(p) not in fast], "factor": 1.0},
        {"params": [p for p in parameters if id(p) in fast], "factor": table.head_factor},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=table.learning_rate,
        momentum=table.momentum,
        nesterov=table.nesterov and table.momentum > 0,
        weight_decay=table.weight_decay,
    )


def set_rate(
    optimiser: torch.optim.Optimizer, optimisation: OptimiserTable, schedule: ScheduleTable, time: float
) -> float:
    """Give every group its rate and weight decay at `time` (in epochs), and return the trunk's rate."""
    rate = optimisation.learning_rate * rate_factor(schedule, time)
    decay = optimisation.weight_decay * weight_decay_factor(schedule, time)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
        group["weight_decay"] = decay
    return rate


def rate_factor(schedule: ScheduleTable, time: float) -> float:
    """The learning rate at `time`, in epochs from 0 to `schedule.epochs`, as a share of the recipe's rate.

    While warming up it rises in a line from 0 at the start. "cosine" then falls to 0 at the end along half a cosine
    (Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, without the restarts);
    "step" falls by `step_factor` every `step_epochs` epochs; "stages" follows the recipe's list. The last two count
    from the start of the run, so that a warm-up shifts nothing.
    """
    warming = min(1.0, time / schedule.warmup) if schedule.warmup else 1.0
    return warming * _fallen(schedule, time)


def weight_decay_factor(schedule: ScheduleTable, time: float) -> float:
    """The weight decay at `time` as a share of the recipe's; only "stages" changes it."""
    return _stage_at(schedule, time)[1] if schedule.kind == "stages" else 1.0


def _fallen(schedule: ScheduleTable, time: float) -> float:
    if schedule.kind == "step":
        return float(schedule.step_factor ** int(time / schedule.step_epochs))
    if schedule.kind == "stages":
        return _stage_at(schedule, time)[0]
    length = schedule.epochs - schedule.warmup
    done = (time - schedule.warmup) / length if length > 0 else 0.0
    return 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))


def _stage_at(schedule: ScheduleTable, time: float) -> tuple[float, float]:
    """The factors of rate and weight decay of the stage that `time` falls into; the last one holds on."""
    for end, rate, decay in _stage_ends(schedule):
        if time < end:
            return rate, decay
    last = schedule.stages[-1]
    return last.rate_factor, last.weight_decay_factor


def _stage_ends(schedule: ScheduleTable) -> Iterator[tuple[float, float, float]]:
    end = 0
    for stage in schedule.stages:
        end += stage.epochs
        yield end, stage.rate_factor, stage.weight_decay_factor
