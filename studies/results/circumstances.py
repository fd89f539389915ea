"""How the table was made: schedule, data, machine, dates and versions, from the records themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from seekcam.studies.results.markdown import bullets
from seekcam.studies.results.records import RunRecord
from seekcam.training.recipe import Recipe

_PICTURES = (
    "Pictures of CUB must not be published, so the grid, plain training against Hide-and-Seek, is not here; "
    "the command writes it to `grid.jpg` in its work folder. Other photographs would say little: this network knows "
    "only birds."
)
_DROPOUT = (
    "Input dropout at test hides pixels of the very picture that is scored, each with the probability of training; "
    "both of its rows score one training."
)


def circumstances(records: Sequence[RunRecord], command: str) -> str:
    """Points of Markdown on how these records came about; they share one schedule."""
    recipe = records[0].recipe
    images = " or ".join(str(count) for count in sorted({len(record.correct) for record in records}))
    dates = sorted({record.date for record in records})
    versions = sorted({", ".join(f"{k} {v}" for k, v in sorted(r.versions.items())) for r in records})
    data = (
        f"Data: CUB-200-2011, classes 1 to 50; trained on {_training_part(recipe)} without a box, the last checkpoint "
        f"counts; scored on {images} test pictures, which chose nothing but the threshold that is labelled so."
    )
    machine = (
        f"Machine: {'; '.join(sorted({record.machine for record in records}))}. Seconds per epoch are for training "
        "alone, median over seeds, and depend on what else the machine did."
    )
    return bullets(
        [
            f"Command: `{command}`; a row whose record lies in `rows/` is run again only when its recipe has changed.",
            _schedule(recipe),
            f"In a recipe's words, beside augmentation: {_unlike_default(recipe)}; each record holds its whole recipe.",
            data,
            machine,
            f"Dates: {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") + ".",
            f"Versions: {'; '.join(versions)}.",
            _DROPOUT,
            _PICTURES,
        ]
    )


def _training_part(recipe: Mapping[str, Any]) -> str:
    share = recipe["data"]["validation"]
    return f"{100 * (1 - share):.0f} % of the training pictures" if share else "all training pictures"


def _unlike_default(recipe: Mapping[str, Any]) -> str:
    """The values that a recipe file would have to name, as `table.name=value`."""
    default = Recipe().to_dict()
    tables = ("network", "input", "data", "optimiser", "schedule", "hardware")
    named = [
        f"`{table}.{name}={value}`"
        for table in tables
        for name, value in recipe[table].items()
        if value != default[table].get(name)
    ]
    return ", ".join(named) or "all as by default"


def _schedule(recipe: Mapping[str, Any]) -> str:
    schedule, optimiser, entry = recipe["schedule"], recipe["optimiser"], recipe["input"]
    decay = (
        f"x {schedule['step_factor']:g} every {schedule['step_epochs']} epochs"
        if schedule["kind"] == "step"
        else f"{schedule['kind']} decay"
    )
    size, resize, crop = entry["size"], entry["resize"], entry["crop"] or entry["size"]
    return (
        f"Schedule: {schedule['epochs']} epochs, batches of {schedule['batch']}, learning rate "
        f"{optimiser['learning_rate']:g} (head x {optimiser['head_factor']:g}), {decay}, weight decay "
        f"{optimiser['weight_decay']:g}; pictures squashed to {resize} x {resize} and cropped at random to {crop} x "
        f"{crop} in training, whole pictures at {size} x {size} at test. Patch sizes are in pixels of the crop "
        "(the paper's was 224 x 224)."
    )
