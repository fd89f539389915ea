"""`Recipe`: every number of a training run, as a small TOML file names it.

A value that a file leaves out takes the default below; a name that is none of these is refused with the nearest one
(`seekcam.training.recipe_files`). Any value can be given on the command line as `--set table.name=value`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from seekcam.training.augment.cutmix import CutMixConfig
from seekcam.training.augment.googlenet_resize import GoogLeNetResizeConfig
from seekcam.training.augment.hide_and_seek import HideAndSeekConfig
from seekcam.training.augment.input_dropout import InputDropoutConfig

AugmentStep = Literal["googlenet_resize", "hide_and_seek", "cutmix", "input_dropout"]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]  # what torch and TOML take

_strict = ConfigDict(extra="forbid")
_NOT_IN_HASH = ("name", "about", "hardware")  # what changes nothing that is learnt


@dataclass(frozen=True, config=_strict)
class NetworkTable:
    """`[network]`: which network, and how fine its maps are."""

    name: str = "efficientnet-lite0"  # of `seekcam.training.networks.catalogue`
    pretrained: bool = True  # start from ImageNet weights where there are any; the head is new
    weights: str = ""  # a state dict of one's own to start from instead: a local file
    map_stride: Literal[0, 8, 16, 32] = 0  # input pixels per cell of the last features; 0 is the network's own
    dropout: Share | None = None  # before the head; None is the network's own
    batchnorm: Literal["live", "frozen"] = "live"  # frozen: running statistics stay as they came


@dataclass(frozen=True, config=_strict)
class InputTable:
    """`[input]`: from file to network input; training crops at random, everything else sees the whole picture.

    A crop as large as the test input shows the object larger than the test does, by `resize` over `size`. With `resize`
    equal to `size` and a smaller `crop` both show it alike, and training takes less time (Touvron et al., "Fixing the
    train-test resolution discrepancy", 2019).
    """

    size: Positive = 224  # S: what is tested, exported and streamed is the whole picture squashed to S x S
    resize: Positive = 256  # side that training pictures are squashed to before the crop
    crop: Annotated[int, Field(ge=0)] = 0  # side of the training crop; 0 is S itself
    flip: Share = 0.5  # probability of a mirror image
    resize_filter: Literal["area", "linear"] = "area"

    @property
    def crop_side(self) -> int:
        """Side of what the network is fed in training, in pixels."""
        return self.crop or self.size


@dataclass(frozen=True, config=_strict)
class DataTable:
    """`[data]`: what is held out of the training part where the set has no validation part of its own."""

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of every class
    seed: Seed = 0


@dataclass(frozen=True, config=_strict)
class AugmentTable:
    """`[augment]`: what is done after crop, flip and normalisation, in this order; each step has its own table."""

    steps: tuple[AugmentStep, ...] = ()
    hide_and_seek: HideAndSeekConfig = Field(default_factory=HideAndSeekConfig)
    googlenet_resize: GoogLeNetResizeConfig = Field(default_factory=GoogLeNetResizeConfig)
    cutmix: CutMixConfig = Field(default_factory=CutMixConfig)
    input_dropout: InputDropoutConfig = Field(default_factory=InputDropoutConfig)


@dataclass(frozen=True, config=_strict)
class OptimiserTable:
    """`[optimiser]`: SGD over two parameter groups, the head learning faster than the pretrained trunk."""

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01  # of the trunk
    head_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0  # the head's rate, in trunk's rates
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Finite = 1e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, config=_strict)
class Stage:
    """`[[schedule.stages]]`: some epochs at one rate; the list of them is the schedule of kind "stages"."""

    epochs: Positive
    rate_factor: Finite  # times the optimiser's rate
    weight_decay_factor: Finite = 1.0  # times the optimiser's weight decay


@dataclass(frozen=True, config=_strict)
class ScheduleTable:
    """`[schedule]`: how long, and how the learning rate falls."""

    epochs: Positive = 10
    batch: Positive = 32  # pictures of one optimiser step, over all processes
    accumulate: Positive = 1  # a step's pictures are run in this many parts, to save memory
    kind: Literal["cosine", "step", "stages"] = "cosine"
    warmup: Finite = 0.0  # epochs of linear rise
    step_epochs: Positive = 15  # "step": the rate is multiplied by `step_factor` every so many epochs
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    stages: tuple[Stage, ...] = ()  # "stages": the last one holds to the end

    def __post_init__(self) -> None:
        if self.accumulate > self.batch:
            raise ValueError(f"accumulate ({self.accumulate}) must not be above batch ({self.batch})")
        if self.kind == "stages" and not self.stages:
            raise ValueError('kind "stages" needs a list [[schedule.stages]], each with epochs and rate_factor')


@dataclass(frozen=True, config=_strict)
class HardwareTable:
    """`[hardware]`: where and how it is computed; the result hardly depends on it."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"  # auto: bf16 or fp16 mixed on CUDA
    channels_last: bool = True
    compile: bool = False
    workers: Annotated[int, Field(ge=-1)] = -1  # processes that read pictures; -1 chooses
    save_minutes: Finite = 10.0  # between checkpoints within an epoch; 0 saves at the end of epochs only


@dataclass(frozen=True, config=_strict)
class Recipe:
    """A training run in numbers."""

    name: str = "plain"
    about: str = ""  # one line for a person
    seed: Seed = 0
    network: NetworkTable = Field(default_factory=NetworkTable)
    input: InputTable = Field(default_factory=InputTable)
    data: DataTable = Field(default_factory=DataTable)
    augment: AugmentTable = Field(default_factory=AugmentTable)
    optimiser: OptimiserTable = Field(default_factory=OptimiserTable)
    schedule: ScheduleTable = Field(default_factory=ScheduleTable)
    hardware: HardwareTable = Field(default_factory=HardwareTable)

    def to_dict(self) -> dict[str, Any]:
        """Every value, in JSON's types."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe of these values; `seekcam.training.recipe_files.checked_recipe` says in a sentence what is wrong.

        Raises:
            pydantic.ValidationError: an unknown name or an impossible value.
        """
        return TypeAdapter(cls).validate_python(dict(values))

    def digest(self) -> str:
        """Twelve hexadecimal digits that differ when anything differs that bears on what is learnt."""
        values = {name: value for name, value in self.to_dict().items() if name not in _NOT_IN_HASH}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
