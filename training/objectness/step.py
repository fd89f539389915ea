"""The training step that gives a trained network its objectness head: features once, pseudo masks, fit, verdict.

It takes one to three minutes on two CPU cores for a thousand pictures, and the same pictures and seed give the same
head. Nothing of the network changes. A head that does not help (`judge`) is given out only to who asks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekcam.datasets.dataset import TEST, TRAIN, VALIDATION, LabelledPicture, PictureSet
from seekcam.datasets.splits import evenly
from seekcam.training.networks.network import Network
from seekcam.training.objectness.collect import Input, Item, collect
from seekcam.training.objectness.fit_head import TooFewViewsError, fit
from seekcam.training.objectness.head import FEATURES, ObjectnessHead, fingerprint
from seekcam.training.objectness.judge import LEAST, Verdict, judge

FITTED_ON = 1000  # pictures at most; 250 are nearly as good
JUDGED_ON = 200
HELD_OUT = 8  # one of so many pictures, where the set has no validation part to judge on


Progress = Callable[[str, int, int], None]  # a stage in a few words, how much of it is done, of how much


def silent(_stage: str, _done: int, _total: int) -> None:
    """A `Progress` that nobody follows."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A head, or why there is none; `verdict` where it came to one.

    A head may come with a verdict that speaks against it, and the reason then, where it was asked for regardless.
    """

    head: ObjectnessHead | None
    verdict: Verdict | None
    reason: str = ""


def train_objectness(
    network: Network,
    shape: Input,
    pictures: PictureSet,
    labels: Sequence[int | None],
    *,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    regardless: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Fit a head to `network` on pictures of any set, and judge it on others.

    The validation part judges, whatever is left of the set teaches, but for a test part, which is left alone. Without a
    validation part every HELD_OUT-th picture judges a head that the others taught; the one given out is then fitted to
    all of them.

    Args:
        network: in `eval()` mode, where it is to run.
        labels: for each class of the set the network's own index; None where it has no such class: for pictures of
            these the class that the network ranks first is taken.
        facts: for the card, beside those that this step knows: licence, source.
        regardless: give out a head that does not help too: for a study that checks the judge.
    """
    teaching, judging, held_out = _parts(pictures, labels)
    if len(judging) < LEAST and not regardless:
        kept = f"{len(judging)} of these pictures are kept to judge it by and {LEAST} at least are needed"
        return Outcome(None, None, f"{kept}, better {5 * LEAST}: give more pictures")
    found = collect(network, shape, teaching, seed=seed, on_progress=_stage(progress, "reading features"))
    try:
        head = fit(found, seed, _stage(progress, "fitting"))
    except TooFewViewsError as error:
        return Outcome(None, None, str(error))
    verdict = judge(network, head, shape, judging, seed=seed, on_progress=_stage(progress, "judging"))
    reason = ""
    if not verdict.helps:
        known = f"the network knows the class in only {verdict.pictures} of the {len(judging)} pictures that judge"
        few = f"{known}, and {LEAST} are needed"
        reason = few if verdict.pictures < LEAST else str(verdict)
        if not regardless:
            return Outcome(None, verdict, reason)
    if held_out:
        rest = collect(network, shape, judging, seed=seed, on_progress=_stage(progress, "reading features"))
        found = found.joined(rest)
        head = fit(found, seed, _stage(progress, "fitting"))
    head.facts = {
        "dataset": pictures.name,
        "pictures": found.pictures,
        "views": found.views,
        "seed": seed,
        FEATURES: fingerprint(network),
        "judged": {
            "pictures": verdict.pictures,
            "agreement_with_head": round(verdict.with_head, 4),
            "agreement_without": round(verdict.without, 4),
            "error": round(verdict.error, 4),
        },
        **(facts or {}),
    }
    return Outcome(head, verdict, reason)


def _parts(pictures: PictureSet, labels: Sequence[int | None]) -> tuple[list[Item], list[Item], bool]:
    """What teaches, what judges, and whether the latter was held out of the former."""

    def items(listed: Sequence[LabelledPicture]) -> list[Item]:
        return [(picture, labels[picture.label]) for picture in listed]

    training = pictures.parts.get(TRAIN) or tuple(
        picture for name, part in pictures.parts.items() if name != TEST for picture in part
    )
    chosen = evenly(training, FITTED_ON)
    if pictures.parts.get(VALIDATION) and training is pictures.parts.get(TRAIN):
        return items(chosen), items(evenly(pictures.parts[VALIDATION], JUDGED_ON)), False
    held = [place for place in range(len(chosen)) if place % HELD_OUT == HELD_OUT // 2]
    kept = [picture for place, picture in enumerate(chosen) if place % HELD_OUT != HELD_OUT // 2]
    return items(kept), items([chosen[place] for place in held]), True


def _stage(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)
