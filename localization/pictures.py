"""Picture files and uploads to RGB pixels and back: upright, opaque, 8 bits, and never larger than allowed.

The size is taken from the header, before a pixel is decoded, so that a small file cannot claim gigabytes.
"""

import io
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from seekcam.localization.errors import PictureError, TooLargeError, UserError

Pixels = NDArray[np.uint8]
T = TypeVar("T")

READABLE = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # of an animation the first frame
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")  # what `read_picture` may be pointed at
_WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FILTERS = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # then the width and height, four bytes each
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_JPEG_QUALITY = 92
_PNG_LEVEL = 4  # of zlib: a third of the time of the default 6 for a few per cent more bytes

# What Pillow raises for broken files, beside its own: its parsers let the errors of their helpers through.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError)


def decode_picture(data: bytes, max_pixels: int) -> Pixels:
    """Decode a JPEG, PNG, WebP, BMP or GIF to RGB uint8 [H, W, 3].

    EXIF orientation is applied, transparency laid on white, 16 bits are cut to 8, CMYK and grey become RGB.

    Raises:
        PictureError: no picture of these kinds, or a damaged or truncated one.
        TooLargeError: more than `max_pixels` (or Pillow's own limit, about 179 million) pixels.
    """
    if not data:
        raise PictureError("The picture is empty: send the bytes of a JPEG, PNG or WebP file.")
    return _decode(io.BytesIO(data), max_pixels, "The picture")


def read_picture(path: Path, max_pixels: int) -> Pixels:
    """Decode a file, as `decode_picture` does.

    Raises:
        UserError: no such file, a folder, or one that may not be read.
        PictureError, TooLargeError: as for `decode_picture`.
    """
    return _from_file(path, max_pixels, _decode)


def picture_size(path: Path, max_pixels: int) -> tuple[int, int]:
    """Width and height of a file as `read_picture` would give it, from its header alone.

    Raises:
        UserError, PictureError, TooLargeError: as for `read_picture`; damage behind the header is not seen.
    """
    return _from_file(path, max_pixels, _upright_size)


def _from_file(path: Path, max_pixels: int, read: Callable[[BinaryIO, int, str], T]) -> T:
    try:
        with path.open("rb") as file:
            return read(file, max_pixels, str(path))
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: check the name.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: give one of the pictures in it.") from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path} cannot be read ({reason}): check its name and permissions.") from error


def squash(picture: Pixels, side: int, resize_filter: str) -> Pixels:
    """Squash RGB uint8 [H, W, 3] to [side, side, 3], aspect not kept; `resize_filter` is "area" or "linear".

    The one resize of training, evaluation and live use: what a network learns on is what it sees later.
    """
    return cast("Pixels", cv2.resize(picture, (side, side), interpolation=_FILTERS[resize_filter]))


def encode_png(picture: Pixels) -> bytes:
    """RGB uint8 [H, W, 3] as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def save_picture(picture: Pixels, path: Path) -> None:
    """Write RGB uint8 [H, W, 3] as the kind that the suffix names; an old file is replaced whole or not at all.

    Raises:
        UserError: a suffix we do not write, or a place that cannot be written.
    """
    kind = _WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path} must end in .png, .jpg or .webp, so that the kind of picture is known.")
    options = {"PNG": {"compress_level": _PNG_LEVEL}, "JPEG": {"quality": _JPEG_QUALITY}, "WEBP": {"quality": 90}}
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        try:
            Image.fromarray(picture).save(partial, kind, **options[kind])
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): choose another place.") from error
    except ValueError as error:
        raise UserError(f"{path} cannot be written as {kind} ({error}): choose .png.") from error


def _check_size(size: tuple[int, ...], max_pixels: int, name: str) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLargeError(
            f"{name} has {width} x {height} pixels and at most {max_pixels / 1e6:g} million are taken: "
            "make it smaller first."
        )


@contextmanager
def _opened(file: BinaryIO, max_pixels: int, name: str) -> Iterator[Image.Image]:
    """The picture with its size checked and no pixel decoded; what is wrong with it is said in a sentence."""
    try:
        # Pillow knows no size before the first data chunk, so a PNG that is cut there would pass for no picture at all.
        head = file.read(24)
        file.seek(0)
        if head.startswith(_PNG_HEAD) and len(head) == 24:
            _check_size(struct.unpack(">II", head[16:]), max_pixels, name)
        with Image.open(file, formats=READABLE) as image:
            _check_size(image.size, max_pixels, name)
            yield image
    except Image.DecompressionBombError:
        raise TooLargeError(
            f"{name} has far more pixels than the {max_pixels / 1e6:g} million that are taken: make it smaller first."
        ) from None
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture we can read: use a JPEG, PNG or WebP file.") from None
    except _BROKEN as error:
        raise PictureError(f"{name} is damaged or cut short ({error}): save or send it again.") from error


def _decode(file: BinaryIO, max_pixels: int, name: str) -> Pixels:
    with _opened(file, max_pixels, name) as image:
        image.load()
        return _upright_rgb(image)


def _upright_size(file: BinaryIO, max_pixels: int, name: str) -> tuple[int, int]:
    with _opened(file, max_pixels, name) as image:
        try:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
        except _BROKEN:
            turned = False  # as in `_upright_rgb`
        return (image.height, image.width) if turned else image.size


def _upright_rgb(image: Image.Image) -> Pixels:
    try:
        image = ImageOps.exif_transpose(image)
    except _BROKEN:
        # Unreadable EXIF says nothing about orientation; the pixels themselves are fine.
        image = image.copy()
    if image.mode.startswith("I"):
        # Pillow's own conversion would clip 16 bits at 255.
        values = np.asarray(image)
        if values.dtype.itemsize > 2:
            values = np.clip(values, 0, 65535)
        return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(image.convert("RGB"))
