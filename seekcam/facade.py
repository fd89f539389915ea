"""The verbs as functions: the same work as on the command line, with values given back instead of printed."""

from pathlib import Path

from rich.console import Console

from seekcam.evaluation.scores import Scores
from seekcam.localization.library import ModelLibrary
from seekcam.streamer.annotate.plan import Summary


def model_file(name: str) -> Path:
    """The file of a model of the library by its name; one that can be built is built first.

    Raises:
        UserError: no such model.
    """
    return ModelLibrary().ensure(name)


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    part: str | None = None,
    annotations: str | Path | None = None,
    limit: int | None = None,
    provider: str = "auto",
    **settings: object,
) -> Scores:
    """Score a model on labelled pictures: exactly what streams is what is scored.

    Args:
        model: a name of the library, or a file.
        data: a folder in any layout that `seekcam train` reads.
        part: train, validation, test or all; None takes the most honest that there is.
        annotations: boxes, where they do not lie in the folder.
        limit: at most so many pictures, evenly spread.
        settings: `map`, `method`, `box`, `threshold` and `min_score`, as `seekcam evaluate` takes them.

    Returns:
        The scores; `to_json()` has them by name, in percent.

    Raises:
        UserError: something that was given cannot be used.
    """
    from seekcam.evaluation.evaluate_verb import score_on

    boxes = None if annotations is None else Path(annotations)
    return score_on(str(model), Path(data), settings, part=part, annotations=boxes, limit=limit, provider=provider)


def annotate(
    source: str | Path,
    output: str | Path | None = None,
    *,
    sidecar: str | Path | None = None,
    overwrite: bool = False,
    provider: str = "auto",
    **settings: object,
) -> Summary:
    """Localize in a picture, a folder of pictures, a video or a camera, and write the annotated file or files.

    A camera is recorded until Ctrl-C, which needs the main thread.

    Args:
        output: where to; None writes beside the source.
        sidecar: a file for the predictions, as JSON.
        settings: by name, as `seekcam annotate` takes them: `classes="tabby"`, `opacity=0.4`.

    Returns:
        What was written, and a sentence on each thing that could not be used.

    Raises:
        UserError: something that was given cannot be used.
    """
    from seekcam.streamer.annotate.annotate_verb import annotate as write

    file = None if output is None else Path(output)
    predictions = None if sidecar is None else Path(sidecar)
    return write(str(source), file, predictions, settings, provider, overwrite, Console(quiet=True))
