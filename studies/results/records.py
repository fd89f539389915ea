"""`RunRecord`: what one trained and scored run leaves behind, small enough to be kept in the repository.

It holds the outcome of every test picture, so that two rows can be compared picture by picture long after their models
are gone, and the recipe's hash, so that a row is run again when its recipe has changed and only then.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seekcam.datasets.dataset import LabelledPicture
from seekcam.localization.atomic import write_text
from seekcam.localization.errors import UserError

IOU = 0.5  # a box is right from here on
_DIGITS = 3  # of a stored IoU

Kind = Literal["plain", "spread", "objectness"]
KINDS: tuple[Kind, ...] = ("plain", "spread", "objectness")


@dataclass(frozen=True)
class MapOutcome:
    """How the boxes of one kind of map came out.

    `ious` holds one IoU per picture: the box of the picture's own class against the nearest true box, at `threshold`
    (None is Otsu's, found anew for every map). `metrics` is what the scoring itself reported, in percent.
    """

    metrics: Mapping[str, float]
    ious: tuple[float, ...]
    threshold: float | None

    @property
    def located(self) -> NDArray[np.bool_]:
        """[pictures] whether the box is right."""
        return np.array(self.ious) >= IOU


@dataclass(frozen=True)
class HeadVerdict:
    """What the judge of the run's objectness head said, from training pictures and without boxes.

    Agreement is the mean IoU, 0 to 1, of a picture's box and its smaller copy's (`seekcam.training.objectness.judge`).
    """

    helps: bool
    pictures: int  # that judged; 0 where there was nothing to fit a head to
    with_head: float
    without: float
    error: float  # one paired standard error of the difference
    reason: str = ""  # why it does not help, or why there is no head

    @property
    def difference(self) -> float:
        """What the head changes of the agreement."""
        return self.with_head - self.without


@dataclass(frozen=True)
class RunRecord:
    """One run: how it was trained, and what it answered on every test picture.

    A run scored before networks had objectness heads has no `verdict`. One whose network no head could be fitted to has
    a verdict and no `objectness`; else that map is scored whatever the verdict, so that the judge can be checked.
    """

    row: str
    seed: int
    schedule: str  # "small" or "full"
    recipe_hash: str
    recipe: Mapping[str, Any]
    pictures: str  # fingerprint of the test pictures and their order
    correct: tuple[bool, ...]  # whether the top class is right, picture by picture
    plain: MapOutcome  # at the best fixed threshold on the test pictures
    spread: MapOutcome  # with Otsu's threshold
    epochs: int
    seconds_per_epoch: float
    machine: str
    versions: Mapping[str, str]
    revision: str
    date: str  # ISO, the day it was scored
    objectness: MapOutcome | None = None  # at the head's constant cut
    verdict: HeadVerdict | None = None

    def __post_init__(self) -> None:
        counts = {len(self.correct), *(len(outcome.ious) for outcome in self.maps.values())}
        if len(counts) != 1 or not self.correct:
            raise ValueError(f"a record needs one outcome per picture, not {sorted(counts)} of them")

    @property
    def maps(self) -> Mapping[Kind, MapOutcome]:
        """The outcome of each kind of map that was scored."""
        found = {"plain": self.plain, "spread": self.spread, "objectness": self.objectness}
        return {kind: outcome for kind in KINDS if (outcome := found[kind]) is not None}

    @property
    def default_map(self) -> Kind:
        """The map that an export of this run shows: the objectness map where the judge keeps the head."""
        return (
            "objectness"
            if self.objectness is not None and self.verdict is not None and self.verdict.helps
            else "spread"
        )

    def hits(self, kind: Kind) -> Mapping[str, NDArray[np.float64]]:
        """[pictures] of 0 and 100 per metric, for a map of `kind` that was scored."""
        located = self.maps[kind].located
        correct = np.array(self.correct)
        return {
            "gt_known_loc": 100.0 * located,
            "top1_loc": 100.0 * (located & correct),
            "top1_clas": 100.0 * correct,
        }

    def save(self, folder: Path) -> Path:
        """Write `folder`/ROW-seedN.json, which holds the old record or the whole new one, whatever happens."""
        values = asdict(self)
        values["correct"] = "".join("01"[right] for right in self.correct)
        for kind in self.maps:
            values[kind]["ious"] = [truncated(iou) for iou in values[kind]["ious"]]
        if self.verdict is None:
            del values["objectness"], values["verdict"]
        # One field a line: a changed record then shows in a diff what changed.
        lines = ",\n".join(
            f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in values.items()
        )
        path = folder / f"{self.row}-seed{self.seed}.json"
        write_text(path, "{\n" + lines + "\n}\n")
        return path

    @classmethod
    def load(cls, path: Path) -> "RunRecord":
        """Read a record.

        Raises:
            UserError: the file is no record of this program.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
            values["correct"] = tuple(bit == "1" for bit in values["correct"])
            for kind in KINDS:
                if (outcome := values.get(kind)) is not None:
                    values[kind] = MapOutcome(outcome["metrics"], tuple(outcome["ious"]), outcome["threshold"])
            if (verdict := values.get("verdict")) is not None:
                values["verdict"] = HeadVerdict(**verdict)
            optional = {f.name for f in fields(cls) if f.default is not MISSING}
            return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values or f.name not in optional})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is no record of `seekcam results`: delete it and the row is run again.") from error


def load_records(folder: Path) -> list[RunRecord]:
    """All records in `folder`, by file name; none when there is no such folder.

    Raises:
        UserError: a file there is no record.
    """
    return [RunRecord.load(path) for path in sorted(folder.glob("*-seed*.json"))]


def fingerprint(pictures: Sequence[LabelledPicture], root: Path) -> str:
    """Sixteen hexadecimal digits that change with the pictures' names, order, labels or boxes."""
    digest = hashlib.sha256()
    for picture in pictures:
        name = picture.path.relative_to(root).as_posix() if picture.path.is_relative_to(root) else picture.path.name
        digest.update(repr((name, picture.label, picture.boxes)).encode())
    return digest.hexdigest()[:16]


def truncated(iou: float) -> float:
    """Fewer digits, never more than it was: a box that was wrong stays wrong."""
    return float(np.floor(iou * 10**_DIGITS + 1e-9) / 10**_DIGITS)
