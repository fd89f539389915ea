"""Two scores of the same pictures beside each other: what the first changes, with paired standard errors."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.table import Table

from seekcam.evaluation.paired import Difference, paired_difference
from seekcam.evaluation.scores import STRICT_IOU, ImageScore, Scores

Measure = Callable[[ImageScore], float]  # of one picture, 0 to 1

BOXED: Mapping[str, Measure] = {
    "GT-known Loc": lambda image: image.gt_known,
    "GT-known Loc at IoU .7": lambda image: image.held_iou >= STRICT_IOU,
    "mean IoU": lambda image: image.held_iou,
    "Top-1 Loc": lambda image: image.top1_loc,
}  # over the pictures with boxes


def paired(ours: Scores, base: Scores, measure: Measure, size: str = "") -> Difference:
    """What `ours` changes against `base`, in points, over the pictures with boxes that both could read.

    Args:
        size: only objects of that size, a name of `evaluation.scores.SIZE_NAMES`; all without one.

    Raises:
        ValueError: fewer than two such pictures.
    """
    first, second = ({image.picture.path: image for image in scores.boxed} for scores in (ours, base))
    shared = [path for path in first if path in second and size in ("", first[path].size_name)]
    columns = [np.array([[100.0 * measure(of[path]) for path in shared]]) for of in (first, second)]
    return paired_difference(columns[0], columns[1])


def side_table(first: Scores, second: Scores) -> Table:
    """A line for each measure: both sides, and what the first changes with one paired standard error."""
    table = Table(box=None, pad_edge=False)
    table.add_column("percent", no_wrap=True)
    alike = first.model == second.model
    for scores in (first, second):
        named = (f"{scores.map} map", *((scores.method,) if first.method != second.method else ()))
        heading = "\n".join(named if alike else (scores.model, *named))
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("difference\n± one s.e.", justify="right", no_wrap=True)
    values = (first.to_json(), second.to_json())
    table.add_row("Top-1 Clas", *(f"{v['top1_clas']:.2f}" for v in values), f"{_change(values, 'top1_clas'):+.2f}")
    if len(first.boxed) < 2:
        return table
    for label, measure in BOXED.items():
        means = (100 * float(np.mean([measure(image) for image in scores.boxed])) for scores in (first, second))
        found = paired(first, second, measure)
        table.add_row(label, *(f"{mean:.2f}" for mean in means), f"{found.mean:+.2f} ± {found.error:.2f}")
    v2 = "max_box_acc_v2"
    table.add_row("MaxBoxAccV2", *(f"{v[v2]:.2f}" for v in values), f"{_change(values, v2):+.2f}")
    table.add_row("GT-known Loc, object")
    for one, other in zip(first.by_size, second.by_size, strict=True):
        cells = (f"{group.gt_known_loc:.2f}" for group in (one, other))
        change = ""
        if one.images > 1:
            found = paired(first, second, BOXED["GT-known Loc"], one.name)
            change = f"{found.mean:+.2f} ± {found.error:.2f}"
        table.add_row(f"  {one.name} ({one.images})", *cells, change)
    return table


def to_json(first: Scores, second: Scores) -> dict[str, Any]:
    """The second side's numbers, and the differences of the first to it by measure."""
    document = second.to_json()
    if len(first.boxed) < 2:
        return {**document, "differences": {}}
    differences = {label: paired(first, second, measure) for label, measure in BOXED.items()}
    return {
        **document,
        "differences": {
            label: {"mean": round(found.mean, 2), "error": round(found.error, 2)}
            for label, found in differences.items()
        },
    }


def _change(values: tuple[dict[str, Any], dict[str, Any]], key: str) -> float:
    return float(values[0][key]) - float(values[1][key])
