"""Fit an objectness head to the cells that `collect` found: some seconds on a CPU, the same head for the same seed.

The cells are standardised for the fit, and the standardisation is folded into the first layer of what is kept.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from seekcam.training.objectness.collect import Cells
from seekcam.training.objectness.head import HIDDEN, ObjectnessHead

UPDATES = 700
CELLS = 4096  # of one update
RATE = 3e-3  # AdamW's, at the top of one cycle
DECAY = 1e-3
DROPOUT = 0.2  # of the inputs
SCALE = 10.0  # unit cells of a hundred channels have values of a tenth
STANDARDISED_ON = 200_000  # cells
LEAST_VIEWS = 40  # with fewer there is nothing to learn from

OnProgress = Callable[[int, int], None]  # updates done, of how many


class TooFewViewsError(ValueError):
    """The network knows the label of too few pictures."""


def fit(found: Cells, seed: int = 0, on_progress: OnProgress | None = None) -> ObjectnessHead:
    """The head that tells object cells from others.

    Raises:
        TooFewViewsError: fewer than LEAST_VIEWS views, or nothing but object in them, or nothing but background.
    """
    share = float(found.object.float().mean()) if len(found.object) else 0.0
    if found.views < LEAST_VIEWS or share in (0.0, 1.0):
        raise TooFewViewsError(
            f"the network knows the class of only {found.views} views of these pictures, and {LEAST_VIEWS} are needed"
        )
    # The global generator is put back afterwards: whoever called may be in the middle of something.
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        return _fitted(found, on_progress)


def _fitted(found: Cells, on_progress: OnProgress | None) -> ObjectnessHead:
    some = found.cells[torch.randint(len(found.cells), (STANDARDISED_ON,))].float() * SCALE
    mean, std = some.mean(0), some.std(0) + 1e-3
    head = ObjectnessHead(found.cells.shape[1], HIDDEN)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=UPDATES)
    for update in range(1, UPDATES + 1):
        pick = torch.randint(len(found.cells), (CELLS,))
        inputs = F.dropout((found.cells[pick].float() * SCALE - mean) / std, DROPOUT)
        logits = head.second(head.first(inputs).relu()).squeeze(1)
        truth, trust = found.object[pick].float(), found.trust[pick].float()
        loss = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * trust).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if on_progress is not None:
            on_progress(update, UPDATES)
    with torch.no_grad():
        weight = head.first.weight / std * SCALE
        head.first.bias.sub_(weight @ (mean / SCALE))
        head.first.weight.copy_(weight)
    return head.eval().requires_grad_(False)
