"""Boxes from Pascal VOC XML files (Everingham et al., "The Pascal Visual Object Classes Challenge", 2010).

One file for each picture, of the same name. Corners are whole pixels counted from 1, and the last one belongs to the
object; ILSVRC's files have the same form and count from 0.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

from seekcam.datasets.dataset import DatasetError, PixelBox
from seekcam.datasets.files import read_bytes, whole_number
from seekcam.datasets.pixel_box import AnnotatedPicture, Size, parsed_box, pixel_box

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path, picture: str, *, first_pixel: int = 1) -> AnnotatedPicture:
    """The objects in one file, of the picture of that name; `first_pixel` is the number of a picture's first column.

    Raises:
        DatasetError: not XML, an object without name or box, or a box that is empty or outside its picture.
    """
    try:
        root = ET.fromstring(read_bytes(path))
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: this is not XML ({error}): correct or remove it.") from None
    except (LookupError, ValueError):
        raise DatasetError(f"{path} is in an encoding that cannot be read: save it as UTF-8, and name that.") from None
    if root.tag != "annotation":
        raise DatasetError(f"{path} is no Pascal VOC file: it begins with <{root.tag}> instead of <annotation>.")
    size = _size(root)
    objects = tuple(_object(element, size, str(path), first_pixel) for element in root.iter("object"))
    return AnnotatedPicture(picture, str(path), objects, size)


def _object(element: ET.Element, size: Size | None, where: str, first_pixel: int) -> tuple[str, PixelBox]:
    name = (element.findtext("name") or "").strip()
    corners = element.find("bndbox")
    if not name or corners is None:
        raise DatasetError(f"{where}: an <object> has no {'<bndbox>' if name else '<name>'}: correct or remove it.")
    texts = [corners.findtext(corner, "").strip() for corner in _CORNERS]
    x0, y0, x1, y1 = parsed_box(texts, f"{where}, object {name}")
    start, end = first_pixel, first_pixel - 1
    return name, pixel_box((x0 - start, y0 - start, x1 - end, y1 - end), size, f"{where}, object {name}")


def _size(root: ET.Element) -> Size | None:
    texts = [root.findtext(f"size/{side}", "").strip() for side in ("width", "height")]
    width, height = map(whole_number, texts)
    return (width, height) if width and height else None
