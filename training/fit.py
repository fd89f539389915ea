"""`fit`: train a network by a recipe, in one readable loop on Lightning Fabric.

    for each epoch
        for each step: pictures -> augmentation -> network -> loss -> optimiser
        validate, save, record

It runs on a CPU, on one GPU, or in as many processes as torchrun starts. Nothing random is kept between steps: order,
augmentation and dropout of a step follow from the seed, the epoch and the step. So a run that was broken off anywhere
and resumed ends as the run left alone, on a CPU bit for bit, and a checkpoint holds no generator's state.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from seekcam.datasets.dataset import TRAIN, VALIDATION, DatasetError, PictureSet
from seekcam.training.augment.augmentation import Targets
from seekcam.training.augment.compose import build_augmentation
from seekcam.training.curves import EpochRow
from seekcam.training.hardware import agreed, build_fabric, describe, local_processes, summed
from seekcam.training.loader import Batch, PictureStore, batches, memory_budget, steps_per_epoch
from seekcam.training.loss import mixed_cross_entropy
from seekcam.training.memory import keep_freed_memory
from seekcam.training.networks.catalogue import build_network
from seekcam.training.networks.masked_input import as_tested
from seekcam.training.optimisation import build_optimiser, rate_factor, set_rate
from seekcam.training.progress import Report, Silent
from seekcam.training.random_draws import step_seed
from seekcam.training.recipe import Recipe
from seekcam.training.run_errors import InterruptedRunError, StopRequest, as_sentence, diverged, interrupted
from seekcam.training.run_folder import RunFolder
from seekcam.training.run_state import RunState, checkpoint_of, restored
from seekcam.training.validation import validate

LOOK_EVERY = 10  # steps between two looks at the loss and the other processes: on a GPU each look waits for the device
DRAW_EVERY = 30.0  # seconds between two drawings of the curves


@dataclass(frozen=True)
class FitResult:
    """What a run came to."""

    best: Path  # checkpoint with the best validation Top-1; the newest one without a validation part
    last: Path
    rows: tuple[EpochRow, ...]  # one for each epoch
    best_row: EpochRow  # of the epoch that `best` holds
    skipped: tuple[tuple[Path, str], ...] = ()  # pictures that could not be read, and why


def fit(
    pictures: PictureSet, recipe: Recipe, folder: Path, *, resume: bool = False, report: Report | None = None
) -> FitResult:
    """Train on the part "train" of `pictures`, validate on its part "validation" if there is one, leave a run folder.

    Args:
        pictures: the pictures and their classes.
        recipe: every number of the run.
        folder: where the run is kept; made when it is not there.
        resume: go on where the run in `folder` stands; from the beginning when nothing is saved yet.
        report: told of the progress.

    Raises:
        UserError: the folder holds another run, the pictures or the hardware do not do, the training diverged, ran out
            of memory or disk, or was interrupted (`InterruptedRunError`); each says what to do.
    """
    try:
        fabric = build_fabric(recipe.hardware)
        run = RunFolder(folder)
        state = restored(run, recipe, pictures, resume=resume)
        if state.epoch >= recipe.schedule.epochs:
            if fabric.is_global_zero:
                run.record(state.rows)  # a break behind the last checkpoint leaves the table without its last line
            return _result(run, state)
        fabric.barrier()  # every process has read the folder before the first one writes
        keep_freed_memory()
        with _Training(fabric, recipe, pictures, run, state, report or Silent()) as training:
            if resume and state.resumed is None:
                training.report.say("nothing was saved of this run yet: it starts anew")
            training.run_to_the_end()
            return _result(run, state, training.skipped())
    except (OSError, RuntimeError, MemoryError) as error:
        sentence = as_sentence(error, recipe, folder)
        if sentence is None:
            raise
        raise sentence from error


def _result(run: RunFolder, state: RunState, skipped: tuple[tuple[Path, str], ...] = ()) -> FitResult:
    return FitResult(run.best, run.last, tuple(state.rows), state.rows[state.best_epoch - 1], skipped)


class _Training:
    """One run, put together."""

    def __init__(
        self, fabric: Fabric, recipe: Recipe, pictures: PictureSet, run: RunFolder, state: RunState, report: Report
    ) -> None:
        self.fabric, self.recipe, self.pictures, self.run, self.state = fabric, recipe, pictures, run, state
        self.report: Report = report if fabric.is_global_zero else Silent()
        torch.manual_seed(recipe.seed)  # what new layers start with
        resumed = state.resumed
        network = build_network(recipe.network, len(pictures.classes), recipe.input.size, load=resumed is None)
        self.layout = torch.channels_last if recipe.hardware.channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.layout).train()
        runnable = cast(nn.Module, torch.compile(network)) if recipe.hardware.compile else network
        self.module, self.optimiser = fabric.setup(runnable, build_optimiser(network, recipe.optimiser))
        if resumed is not None:
            network.load_state_dict(resumed.network)
            self.optimiser.load_state_dict(resumed.progress["optimiser"])
            if resumed.progress["precision"]:  # empty where no losses were scaled, as on a CPU
                fabric.strategy.precision.load_state_dict(resumed.progress["precision"])
        self.tested = as_tested(network, recipe.input, recipe.augment)
        self.augmentation = build_augmentation(recipe.input, recipe.augment, network.mean, network.std)

        self.store = self._read(TRAIN, recipe.input.resize)
        self.validation_store = self._read(VALIDATION, recipe.input.size) if pictures.parts.get(VALIDATION) else None
        state.check_readable(len(self.store), run.path)
        self.count = min(recipe.schedule.batch, len(self.store))  # pictures of a step
        if self.count < fabric.world_size:
            raise DatasetError(f"A step has {self.count} pictures for {fabric.world_size} processes: start fewer.")
        self.steps = steps_per_epoch(len(self.store), recipe.schedule.batch, drop_last=True)
        self.stop = StopRequest()
        self.saved_at = self.drawn_at = time.monotonic()

    def _read(self, part: str, side: int) -> PictureStore:
        pictures = self.pictures.parts.get(part, ())
        if not pictures:
            raise DatasetError(f"{self.pictures.root} has no pictures to train on: its parts are all for scoring.")
        store = PictureStore(
            pictures,
            side,
            self.recipe.input.resize_filter,
            budget=-agreed(self.fabric, -memory_budget())[0],
            processes=local_processes(),
            workers=self.recipe.hardware.workers,
            on_progress=self.report.reading,
        )
        for _, reason in store.skipped:  # which names the file
            self.report.say(f"left out: {reason}")
        if store.skipped:
            self.report.say(f"{len(store)} of {len(pictures)} pictures for {part} can be read")
        return store

    def __enter__(self) -> Self:
        self.stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.__exit__(kind, error, trace)
        self.store.close()
        if self.validation_store is not None:
            self.validation_store.close()

    def skipped(self) -> tuple[tuple[Path, str], ...]:
        """Pictures that were left out, and why."""
        stores = [store for store in (self.store, self.validation_store) if store is not None]
        return tuple(found for store in stores for found in (*store.skipped, *store.broken))

    def run_to_the_end(self) -> None:
        """Train from where the state stands to the last epoch."""
        schedule, state = self.recipe.schedule, self.state
        if self.fabric.is_global_zero:
            self.run.begin(self.recipe)
        self.report.say(describe(self.fabric))
        self.report.begin(schedule.epochs, self.steps, state.epoch * self.steps + state.position)
        with self.run.scalars(state.epoch * self.steps + state.position, self.fabric.is_global_zero) as scalars:
            while state.epoch < schedule.epochs:
                loss = self._train_epoch()
                row = self._end_epoch(loss)
                scalars.add(row)

    def _train_epoch(self) -> float:
        """Do the steps that are left of the epoch; the mean loss over all of its pictures."""
        state, epoch = self.state, self.state.epoch
        # In several processes the first one holds what was summed before a break.
        loss_sum = torch.tensor(state.loss_sum if self.fabric.is_global_zero else 0.0, device=self.fabric.device)
        before, started = state.seconds, time.monotonic()
        for step, batch in enumerate(self._batches(), start=state.position):
            rate = set_rate(self.optimiser, self.recipe.optimiser, self.recipe.schedule, self._time(epoch, step))
            loss_sum += self._step(batch, epoch, step)
            state.position = step + 1
            state.seconds = before + time.monotonic() - started
            if self.fabric.world_size == 1 or state.position % LOOK_EVERY == 0:
                self._look(loss_sum, rate)
        return summed(self.fabric, loss_sum) / (self.steps * self.count)

    def _step(self, batch: Batch, epoch: int, step: int) -> Tensor:
        """One optimiser step; the loss summed over the pictures of this process.

        The gradient is that of the mean over the pictures of all processes, in however many parts they are run: each
        sum is divided by their number, and the mean that is taken over the processes is undone.
        """
        fabric, recipe, device = self.fabric, self.recipe, self.fabric.device
        torch.manual_seed(step_seed(recipe.seed, epoch, step * fabric.world_size + fabric.global_rank))
        images, labels = (t.to(device, non_blocking=True) for t in (batch.images, batch.labels))
        images, targets = self.augmentation(images, labels, batch.numbers, seed=recipe.seed, epoch=epoch)
        images = images.contiguous(memory_format=self.layout)
        parts = list(zip(*(t.chunk(recipe.schedule.accumulate) for t in (images, *targets)), strict=True))
        loss_sum = torch.zeros((), device=device)
        for number, (part, *its_targets) in enumerate(parts, start=1):
            with fabric.no_backward_sync(self.module, enabled=number < len(parts)):
                logits = self.module(part)
                loss = mixed_cross_entropy(logits, Targets(*its_targets), recipe.optimiser.label_smoothing).sum()
                fabric.backward(loss * (fabric.world_size / self.count))
            loss_sum += loss.detach()
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss_sum

    def _look(self, loss_sum: Tensor, rate: float) -> None:
        """Between two steps: is the loss a number, is it time to save, does somebody want to stop?"""
        state, every = self.state, 60 * self.recipe.hardware.save_minutes
        if state.position % LOOK_EVERY == 0 or self.fabric.device.type == "cpu":
            mean = summed(self.fabric, loss_sum) / (state.position * self.count)
            self._check_finite(mean)
            self.report.step(state.epoch + 1, state.position, mean, rate)
        due = 0 < every <= time.monotonic() - self.saved_at
        number, save = agreed(self.fabric, self.stop.number, due)
        if number or save:
            state.loss_sum = summed(self.fabric, loss_sum)
            self._check_finite(state.loss_sum)
            self._save_last()
        if number:
            raise self._interrupted(number)

    def _end_epoch(self, loss: float) -> EpochRow:
        """Validate, save and record; in this order a break in between loses nothing but time."""
        state, recipe = self.state, self.recipe
        self._check_finite(loss)
        started, found = time.monotonic(), None
        if self.validation_store is not None:
            found = validate(self.fabric, self.tested, self.validation_store, recipe.schedule.batch, self.layout)
        rate = recipe.optimiser.learning_rate * rate_factor(recipe.schedule, self._time(state.epoch, self.steps - 1))
        row = state.row(self.steps, rate, loss, found, time.monotonic() - started)
        is_best = state.end_epoch(row)
        done = state.epoch == recipe.schedule.epochs
        self._save_last(also_best=is_best)
        if self.fabric.is_global_zero:
            draw = done or time.monotonic() - self.drawn_at >= DRAW_EVERY
            self.run.record(state.rows, draw=draw)
            self.drawn_at = time.monotonic() if draw else self.drawn_at
        self.report.epoch(row)
        (number,) = agreed(self.fabric, self.stop.number)
        if number and not done:
            raise self._interrupted(number)
        return row

    def _save_last(self, *, also_best: bool = False) -> None:
        """Write the checkpoints, from the first process; never one whose weights are NaN or infinite."""
        weights = self.network.state_dict()
        if not all(bool(value.isfinite().all()) for value in weights.values()):
            self._check_finite(float("nan"))
        if self.fabric.is_global_zero:
            step = self.state.epoch * self.steps + self.state.position
            if also_best:  # first, for last.pt says that it is there
                self.run.save(checkpoint_of(self.state, self.recipe, self.pictures, weights, step=step), self.run.best)
            checkpoint = checkpoint_of(
                self.state,
                self.recipe,
                self.pictures,
                weights,
                step=step,
                optimiser=self.optimiser.state_dict(),
                precision=self.fabric.strategy.precision.state_dict(),
            )
            self.run.save(checkpoint, self.run.last)
        self.saved_at = time.monotonic()

    def _batches(self) -> Iterator[Batch]:
        """What this process still has to do of the epoch."""
        return batches(
            self.store,
            batch=self.recipe.schedule.batch,
            epoch=self.state.epoch,
            seed=self.recipe.seed,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            start_step=self.state.position,
            drop_last=True,
            pin=self.fabric.device.type == "cuda",
        )

    def _time(self, epoch: int, step: int) -> float:
        """The middle of a step, in epochs since the start: what its learning rate is taken at."""
        return epoch + (step + 0.5) / self.steps

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise diverged(self.recipe, self.state.epoch + 1, self.run.last)

    def _interrupted(self, number: int) -> InterruptedRunError:
        return interrupted(self.pictures.root, self.run.path, self.state.epoch, self.state.position, number)
