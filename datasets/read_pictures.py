"""`read_pictures`: any folder of pictures whose layout is known, read into a `PictureSet`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seekcam.datasets import cub, ilsvrc, tiny_imagenet, wsolevaluation
from seekcam.datasets.dataset import TRAIN, VALIDATION, DatasetError, PictureSet
from seekcam.datasets.files import sub_folders
from seekcam.datasets.folder import read_folder
from seekcam.datasets.splits import split_off

_DEEPEST = 2  # folders that an archive may put around a data set
_FEW = 10  # folders: more are classes, and not looked into for data sets

# Which layout a folder has, and how that is read; the first that fits.
_LAYOUTS: tuple[tuple[Callable[[Path], bool], Callable[[Path], PictureSet]], ...] = (
    (wsolevaluation.fits, wsolevaluation.read_wsolevaluation),
    (cub.fits, cub.read_cub),
    (tiny_imagenet.fits, tiny_imagenet.read_tiny_imagenet),
    (ilsvrc.fits, ilsvrc.read_ilsvrc),
)


def read_pictures(root: Path, *, validation: float = 0.1, seed: int = 0, annotations: Path | None = None) -> PictureSet:
    """Read a folder of labelled pictures: which there are, what they show, and where, as far as that is known.

    No picture is decoded. One folder for each class is enough; the published layouts of wsolevaluation, CUB-200-2011,
    Tiny ImageNet and ILSVRC are known by their files.

    Args:
        root: the folder.
        validation: share of every class that is split off the training part where there is no validation part; 0
            splits nothing.
        seed: which pictures these are.
        annotations: boxes for pictures in the plain layout: a COCO JSON, a folder of Pascal VOC XMLs or a
            wsolevaluation localization.txt; None takes those that lie in the folder, if any.

    Example:
        >>> pictures = read_pictures(Path("birds"))
        >>> len(pictures.classes), {part: len(of_part) for part, of_part in pictures.parts.items()}
        (3, {'train': 81, 'validation': 9})

    Raises:
        DatasetError: no such folder, no pictures, a single class, a class without pictures, a file that is named and
            missing or may not be read, a line that cannot be understood, or a box outside its picture.
    """
    root = root.expanduser()
    root = root.resolve() if ".." in root.parts else root.absolute()  # so that it has a name
    try:
        if root.is_file():
            raise DatasetError(f"{root} is a file: unpack it if it is an archive, and give the folder.")
        if not root.is_dir():
            raise DatasetError(f"There is no folder {root}: check the name.")
        found = _read(root, annotations)
    except PermissionError as error:
        # Every look at a file may meet one, also the question whether it is there.
        raise DatasetError(f"{error.filename} cannot be read ({error.strerror}): check its permissions.") from error
    if not any(found.parts.values()):
        raise DatasetError(
            f"{root} holds no labelled pictures: put the pictures of each class into a folder of its own."
        )
    if len(found.classes) < 2:
        raise DatasetError(
            f"{root} holds a single class, {found.classes[0]!r}: a classifier needs at least two to tell apart."
        )
    if TRAIN not in found.parts:
        return found
    trained = {picture.label for picture in found.parts[TRAIN]}
    if empty := [found.class_ids[label] for label in range(len(found.classes)) if label not in trained]:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise DatasetError(
            f"{root} has no training pictures of the class {empty[0]!r}{more}: add some or remove the class."
        )
    if VALIDATION in found.parts:
        return found
    kept, split = split_off(found.parts[TRAIN], found.class_ids, validation, seed)
    return replace(found, parts={**found.parts, TRAIN: kept, VALIDATION: split}) if split else found


def _read(root: Path, annotations: Path | None) -> PictureSet:
    level = [root]
    for _ in range(_DEEPEST + 1):
        known = [(inner, read) for inner in level for fits, read in _LAYOUTS if fits(inner)]
        if len(known) > 1:
            both = " and ".join(str(inner) for inner, _ in known[:2])
            raise DatasetError(f"{root} holds several data sets, such as {both}: give one of them.")
        if known and annotations is not None:
            raise DatasetError(f"{known[0][0]} has boxes of its own: leave {annotations} away.")
        if known:
            inner, read = known[0]
            return replace(read(inner), name=root.name, root=root)
        level = [path for inner in level for path in sub_folders(inner)]
        if len(level) > _FEW:
            break
    return read_folder(root, annotations)
