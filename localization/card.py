"""What a model file says of itself (Contract 2): one JSON document in the ONNX metadata key `seekcam`.

Written by export, read by everyone else; a file without a card is refused with a sentence that says how to make one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from seekcam.localization.errors import ModelFileError

METADATA_KEY = "seekcam"
SCHEMA = 1
RESIZES = ("area", "linear")
METHODS = ("cam", "gradcam", "layercam", "gradcam++", "recombined", "finercam")
MapKind = Literal["objectness", "spread", "plain", "foreground"]
MAP_KINDS: tuple[MapKind, ...] = ("objectness", "spread", "plain", "foreground")
WITHOUT_HEAD: tuple[MapKind, ...] = ("spread", "plain")  # what a file without an objectness head can make of these
CUT = 0.5  # of the objectness map where the card names none


@dataclass(frozen=True)
class ModelCard:
    """The contents of a model file, in numbers and words. Sides are in pixels or cells; all grids are square."""

    name: str
    classes: tuple[str, ...]  # C names, in logit order
    class_ids: tuple[str, ...]  # C stable ids (WordNet ids, folder names); the names again where there are none
    input_size: int  # S: frames enter as S x S
    map_size: int  # side of the plain maps, in cells
    spread_size: int  # side of the spread maps, in cells (the stride-16 grid)
    features: int  # K: channels of the last feature map
    mapped: int  # k: how many classes one run maps, min(5, C)
    methods: tuple[str, ...] = METHODS  # order of the graph's `method` input
    default_method: str = "cam"
    threshold: float = 0.3  # of the plain map, after min-max
    threshold_split: str = "not calibrated"  # the pictures the threshold was chosen on
    min_score: float = 0.15  # below it the answer is "not sure"
    resize: str = "area"  # the one resize filter of test transform, evaluation and streaming
    precision: str = "fp32"
    network: str = ""
    dataset: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    recipe_hash: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    objectness: Mapping[str, Any] = field(default_factory=dict)  # the objectness head: its cut, its origin; {}: none
    licence: str = ""
    source: str = ""  # where the weights come from
    versions: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""  # git revision of the exporter
    schema: int = SCHEMA

    @property
    def maps(self) -> tuple[MapKind, ...]:
        """The kinds of map that the file can make (values of the setting `map`), its default first."""
        return MAP_KINDS if self.objectness else WITHOUT_HEAD

    @property
    def cut(self) -> float:
        """The constant threshold of the objectness map and of the foreground."""
        return float(self.objectness.get("cut", CUT))

    @cached_property
    def class_lookup(self) -> Mapping[str, int]:
        """Casefolded names and ids to indices; a name goes before an id, and of equal ones the first counts."""
        lookup: dict[str, int] = {}
        for names in (self.classes, self.class_ids):
            for index, name in enumerate(names):
                lookup.setdefault(name.casefold(), index)
        return lookup

    def to_json(self) -> str:
        """The document as it stands in the file."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], file: str) -> "ModelCard":
        """Read the card out of an ONNX file's metadata; `file` is only for the message.

        Raises:
            ModelFileError: no card, a newer schema, or a card that lacks a field.
        """
        if METADATA_KEY not in metadata:
            raise ModelFileError(f"{file} has no seekcam card: write it again with `seekcam.export_cam_network`.")
        try:
            document = json.loads(metadata[METADATA_KEY])
        except json.JSONDecodeError as error:
            raise ModelFileError(f"The card in {file} is not JSON ({error}): export the model again.") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            found = document.get("schema") if isinstance(document, dict) else "none"
            raise ModelFileError(
                f"The card in {file} has schema {found} and this seekcam reads {SCHEMA}: export the model again."
            )
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in document.items() if key in known
        }
        try:
            card = cls(**values)
        except TypeError as error:
            raise ModelFileError(f"The card in {file} is incomplete ({error}): export the model again.") from error
        if not card._has_right_kinds():
            raise ModelFileError(f"The card in {file} has fields of the wrong kind: export the model again.")
        return card

    def _has_right_kinds(self) -> bool:
        """Whether a card that came as JSON can be worked with: anybody can write one."""
        lists: tuple[Any, ...] = (self.classes, self.class_ids, self.methods)
        sizes: tuple[Any, ...] = (self.input_size, self.map_size, self.spread_size, self.features, self.mapped)
        words: tuple[Any, ...] = (
            *(self.name, self.precision, self.network, self.dataset, self.recipe_hash, self.licence, self.source),
            *(self.threshold_split, self.revision),
        )
        return (
            all(isinstance(names, tuple) and names and all(isinstance(n, str) for n in names) for names in lists)
            and len(self.classes) == len(self.class_ids)
            and self.default_method in self.methods
            and all(isinstance(size, int) and size > 0 for size in sizes)
            and all(isinstance(number, int | float) for number in (self.threshold, self.min_score))
            and all(isinstance(word, str) for word in words)
            and all(isinstance(table, Mapping) for table in (self.recipe, self.metrics, self.versions, self.objectness))
            and isinstance(self.objectness.get("cut", CUT), int | float)
            and self.resize in RESIZES
        )
