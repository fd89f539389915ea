"""What one model carries along a stream from frame to frame: the class it holds, the maps it steadies, what it saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seekcam.localization.class_tracker import ClassTracker
from seekcam.localization.pipeline import FrameRequest
from seekcam.localization.region import WHOLE, Region
from seekcam.localization.second_look import SecondLooks
from seekcam.localization.settings import Analysis
from seekcam.localization.steady import Steady


@dataclass(frozen=True, eq=False)
class Following:
    """The past of one stream as one model has seen it."""

    tracker: ClassTracker = field(default_factory=ClassTracker)
    steady: Steady = field(default_factory=Steady)
    looks: SecondLooks = field(default_factory=SecondLooks)

    def request(self, analysis: Analysis, pts: float, region: Region = WHOLE) -> FrameRequest:
        """What the stream's next frame wants, at `pts` seconds; classes that were asked for need not be held."""
        tracker = None if analysis.classes else self.tracker
        return FrameRequest(analysis, tracker, pts, region, self.looks, self.steady)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on exactly from here, as JSON."""
        return {"tracker": self.tracker.state(), "steady": self.steady.state(), "looks": self.looks.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`."""
        self.tracker.restore(state["tracker"])
        self.steady.restore(state["steady"])
        self.looks.restore(state["looks"])
