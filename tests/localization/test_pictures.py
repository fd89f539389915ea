"""Pictures in and out: every kind upright and opaque, hostile headers refused before decoding, broken files named."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from seekcam.localization.errors import PictureError, TooLargeError, UserError
from seekcam.localization.pictures import (
    _upright_rgb,
    decode_picture,
    encode_png,
    picture_size,
    read_picture,
    save_picture,
    squash,
)

Pixels = NDArray[np.uint8]
LIMIT = 1_000_000


def picture(width: int = 48, height: int = 32) -> Pixels:
    """A red left half, a green right half, and a blue top row of blocks: any turn or flip shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    pixels[: height // 4] = (0, 0, 255)
    return pixels


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_kinds_come_back_exactly(kind: str, options: dict[str, object]) -> None:
    decoded = decode_picture(file_of(Image.fromarray(picture()), kind, **options), LIMIT)
    assert np.array_equal(decoded, picture())
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95}), ("GIF", {})])
def test_lossy_kinds_come_back_closely(kind: str, options: dict[str, object]) -> None:
    cat = skimage.data.chelsea()[:128, :200]
    decoded = decode_picture(file_of(Image.fromarray(cat), kind, **options), LIMIT)
    assert np.abs(decoded.astype(int) - cat).mean() < 6


# How a camera that was turned stores the upright picture, for each EXIF orientation.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", list(STORED))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture())))
    decoded = decode_picture(file_of(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})), LIMIT)
    assert decoded.shape == picture().shape
    assert np.abs(decoded.astype(int) - picture()).mean() < 12


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_costs_the_orientation_only() -> None:
    data = file_of(Image.fromarray(picture()), "PNG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    assert np.array_equal(decode_picture(data, LIMIT), picture())


def test_transparency_is_laid_on_white() -> None:
    rgba = np.dstack([picture(), np.full((32, 48), 255, np.uint8)])
    rgba[10:20, 10:20, 3] = 0
    rgba[20:30, 30:40, 3] = 128
    expected = picture().astype(float)
    expected[10:20, 10:20] = 255
    expected[20:30, 30:40] = expected[20:30, 30:40] * 128 / 255 + 255 * 127 / 255
    decoded = decode_picture(file_of(Image.fromarray(rgba), "PNG"), LIMIT)
    assert np.abs(decoded - expected).max() <= 1


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.fromarray(picture()).quantize(4, dither=Image.Dither.NONE)
    corner = image.getpixel((0, 0))
    decoded = decode_picture(file_of(image, "PNG", transparency=corner), LIMIT)
    assert (decoded[:8] == 255).all()
    assert np.abs(decoded[8:].astype(int) - picture()[8:]).max() <= 8


def test_grey_bilevel_cmyk_and_sixteen_bits() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    for image in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.uint16) * 257)):
        decoded = decode_picture(file_of(image, "PNG"), LIMIT)
        assert np.array_equal(decoded, np.repeat(ramp[..., None], 3, axis=2))
    bilevel = decode_picture(file_of(Image.fromarray(ramp > 99), "PNG"), LIMIT)
    assert np.array_equal(bilevel[..., 0], (ramp > 99) * np.uint8(255))
    cmyk = decode_picture(file_of(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95), LIMIT)
    assert np.abs(cmyk.astype(int) - picture()).mean() < 12


def test_sixteen_bits_take_no_more_memory_than_they_must() -> None:
    """NumPy tells `tracemalloc` of its arrays; what Pillow holds besides is the decoded picture, 2 bytes a pixel."""
    side = 1000
    data = file_of(Image.fromarray(np.full((side, side), 0xABCD, np.uint16)), "PNG")
    tracemalloc.start()
    try:
        decoded = decode_picture(data, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoded.shape == (side, side, 3)
    assert (decoded == 0xAB).all()
    assert peak < 8 * side * side  # 8 bytes a pixel was a single one of the wide arrays


def test_wide_grey_is_clipped_to_sixteen_bits() -> None:
    wide = Image.fromarray(np.array([[-5, 0, 256, 65535, 65536, 2**31 - 1]], np.int32))
    assert wide.mode == "I"
    assert _upright_rgb(wide)[0, :, 0].tolist() == [0, 0, 1, 255, 255, 255]


def test_of_an_animation_the_first_frame() -> None:
    second = Image.fromarray(np.zeros_like(picture()))
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = file_of(Image.fromarray(picture()), kind, save_all=True, append_images=[second], **options)
        assert np.abs(decode_picture(data, LIMIT).astype(int) - picture()).mean() < 3


@pytest.mark.parametrize("side", [1_001, 9_000, 12_000, 40_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_size_too_large_is_refused_from_the_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded before the size was checked")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    with pytest.raises(TooLargeError, match=r"million .* taken: make it smaller"):
        decode_picture(png_header(side, side), LIMIT)


def test_exactly_the_limit_is_taken() -> None:
    data = file_of(Image.fromarray(picture()), "PNG")
    assert decode_picture(data, 48 * 32).shape == (32, 48, 3)
    with pytest.raises(TooLargeError, match="48 x 32 pixels"):
        decode_picture(data, 48 * 32 - 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(kind: str, share: float) -> None:
    cat = skimage.data.chelsea()[:64, :64]
    data = file_of(Image.fromarray(cat), kind)
    with pytest.raises(PictureError, match=r"damaged or cut short|not a picture we can read"):
        decode_picture(data[: int(len(data) * share)], LIMIT)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg></svg>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"]
)
def test_what_is_no_picture_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(data, LIMIT)
    assert str(caught.value).endswith(".")
    assert "JPEG" in str(caught.value) or "again" in str(caught.value)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(("PNG", "JPEG", "WEBP", "BMP", "GIF")))
@settings(deadline=None, max_examples=150)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_flipped_bytes_give_a_picture_or_a_sentence(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}
    data = bytearray(file_of(Image.fromarray(picture()), kind, **options))
    for position in rng.integers(0, min(len(data), 300), 4):
        data[position] = rng.integers(0, 256)
    try:
        decoded = decode_picture(bytes(data), LIMIT)
    except PictureError as error:
        assert str(error).startswith("The picture")  # noqa: PT017 - either outcome is right
    else:
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3


def test_files_are_read_and_written(tmp_path: Path) -> None:
    for suffix, tolerance in ((".png", 0), (".jpg", 8), (".JPEG", 8), (".webp", 8)):
        path = tmp_path / f"cat{suffix}"
        save_picture(picture(), path)
        assert np.abs(read_picture(path, LIMIT).astype(int) - picture()).mean() <= tolerance
    assert len(list(tmp_path.iterdir())) == 4, "nothing is left over"
    assert np.array_equal(decode_picture(encode_png(picture()), LIMIT), picture())


def test_an_older_file_is_replaced_or_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cat.png"
    save_picture(picture(), path)
    before = path.read_bytes()

    def full_disk(self: Image.Image, target: Path, *args: object, **options: object) -> None:
        Path(target).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full_disk)
        with pytest.raises(UserError, match="No space left"):
            save_picture(np.zeros_like(picture()), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    save_picture(np.zeros_like(picture()), path)
    assert not read_picture(path, LIMIT).any()


def test_places_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("no picture")
    with pytest.raises(UserError, match="There is no file"):
        read_picture(tmp_path / "absent.png", LIMIT)
    with pytest.raises(UserError, match=r"is a folder|cannot be read"):
        read_picture(tmp_path, LIMIT)
    with pytest.raises(PictureError, match=r"note\.txt is not a picture"):
        read_picture(note, LIMIT)
    with pytest.raises(UserError, match="must end in"):
        save_picture(picture(), tmp_path / "cat.tif")
    with pytest.raises(UserError, match="cannot be written"):
        save_picture(picture(), tmp_path / "absent" / "cat.png")
    with pytest.raises(UserError, match="cannot be written"):
        save_picture(picture(), note / "cat.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        save_picture(picture(), tmp_path / "folder.png")


def test_what_webp_cannot_hold_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        save_picture(np.zeros((2, 17_000, 3), np.uint8), tmp_path / "wide.webp")
    assert not list(tmp_path.iterdir())


def test_a_png_cut_right_after_its_header_is_still_too_large() -> None:
    with pytest.raises(TooLargeError, match="40000 x 40000"):
        decode_picture(png_header(40_000, 40_000)[:33], LIMIT)  # the signature and the header chunk


@pytest.mark.parametrize("orientation", range(10))
def test_the_size_in_the_header_is_that_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(48, 32)).save(tmp_path / "a.jpg", exif=exif)
    height, width, _ = read_picture(tmp_path / "a.jpg", LIMIT).shape
    assert picture_size(tmp_path / "a.jpg", LIMIT) == (width, height)


def test_a_size_is_refused_where_the_picture_would_be(tmp_path: Path) -> None:
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="not a picture"):
        picture_size(tmp_path / "none.jpg", LIMIT)
    with pytest.raises(UserError, match="no file"):
        picture_size(tmp_path / "gone.jpg", LIMIT)
    (tmp_path / "bomb.png").write_bytes(png_header(30_000, 30_000))
    with pytest.raises(TooLargeError):
        picture_size(tmp_path / "bomb.png", LIMIT)
    whole = encode_png(picture(300, 200))
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    assert picture_size(tmp_path / "short.png", LIMIT) == (300, 200)


def test_area_squashing_to_a_divisor_is_the_mean_of_each_block() -> None:
    pixels = np.asarray(skimage.data.astronaut())
    blocks = pixels.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(squash(pixels, 64, "area") - blocks).max() <= 0.5


def test_squashing_keeps_no_aspect_and_knows_both_filters() -> None:
    for resize_filter in ("area", "linear"):
        small = squash(picture(48, 32), 20, resize_filter)
        assert small.shape == (20, 20, 3)
        assert tuple(small[15, 2]) == (255, 0, 0)
        assert tuple(small[15, 17]) == (0, 255, 0)
