"""Text in any script as a bitmap: Pillow's own font first, then the fonts of the machine, character by character.

Pillow brings Aileron (plain Latin) and matplotlib DejaVu Sans (accents, Greek, Cyrillic, Arabic, Hebrew), so these need
nothing else. For other scripts the machine's fonts are looked up: the wide ones that Linux, macOS and Windows come
with, then Noto Sans in its many scripts; the package `noto-cjk-sans-otc`, where installed, brings Chinese, Japanese and
Korean. A character that none of them has is drawn as the "missing character" box, and `coverage` tells how much of a
text can be read at all, so that the caller can show something else.
"""

import os
import unicodedata
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Coverage = NDArray[np.uint8]

LINE_HEIGHT = 1.5  # em
BASELINE = 1.11  # em below the top of the line: centres the capitals, and leaves marks above and below their room

_WIDE_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "segoeui.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "msyh.ttc",
    "YuGothR.ttc",
    "malgun.ttf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "GeezaPro.ttc",
    "Nirmala.ttc",
    "Nirmala.ttf",
    "LeelawUI.ttf",
    "FreeSans.ttf",
)
_BUILT_IN = ""
_PROBE_SIZE = 16
_NOWHERE = "\U0010ffff"  # no character: every font draws its "missing character" for it
_MISSING = "\ufffd"


def clean(text: str) -> str:
    """`text` as one line without what no font can draw: control characters, lone surrogates, unassigned codes."""
    line = " ".join(text.split())
    return "".join(_MISSING if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in line)


@lru_cache(maxsize=512)
def coverage(text: str) -> float:
    """The share of the visible characters of `text` that some font has, 0 to 1; 1 for a text without any."""
    visible = [c for c in clean(text) if not _clings(c)]
    return sum(_font_of(c) is not None for c in visible) / len(visible) if visible else 1.0


def text_width(text: str, size: int) -> int:
    """The width in pixels of one line of text, `size` pixels the em."""
    return max(1, int(np.ceil(sum(_load(name, size).getlength(run) for name, run in _runs(text)))))


@lru_cache(maxsize=256)
def draw_text(text: str, size: int) -> Coverage:
    """One line of text as coverage 0..255, [LINE_HEIGHT * size, text_width]; the array is read-only.

    Right-to-left and joining scripts are shaped where Pillow has Raqm, as its wheels do.
    """
    canvas = Image.new("L", (text_width(text, size), round(LINE_HEIGHT * size)))
    draw = ImageDraw.Draw(canvas)
    x = 0.0
    for name, run in _runs(text):
        font = _load(name, size)
        draw.text((x, round(BASELINE * size)), run, fill=255, font=font, anchor="ls")
        x += font.getlength(run)
    bitmap = np.array(canvas)
    bitmap.setflags(write=False)
    return bitmap


def _runs(text: str) -> list[tuple[str, str]]:
    """The text cut where the font changes: (font, piece) as the pieces stand from left to right."""
    line = clean(text)
    visible = {c for c in line if not _clings(c)}
    # One font for the whole line where there is one: a single letter from elsewhere looks like a mistake.
    whole = next((name for name in _all_fonts() if all(_draws(name, c) for c in visible)), None)
    if whole is not None:
        return [(whole, line)] if line else []
    fonts: list[str] = []
    for character in line:
        previous = fonts[-1] if fonts else _BUILT_IN
        fonts.append(previous if _clings(character) else _font_of(character) or _BUILT_IN)
    pairs = zip(fonts, line, strict=True)
    runs = [(name, "".join(c for _, c in group)) for name, group in groupby(pairs, key=lambda pair: pair[0])]
    direction = next((d for c in line if (d := unicodedata.bidirectional(c)) in ("L", "R", "AL")), "L")
    return runs if direction == "L" else runs[::-1]


def _clings(character: str) -> bool:
    """Whether a character belongs to the letter before it, whatever its font: spaces, marks, joiners."""
    return character.isspace() or unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")


def _font_of(character: str) -> str | None:
    """The first font with this character, as `_load` takes it; None when there is none."""
    return next((name for name in _all_fonts() if _draws(name, character)), None)


@cache
def _draws(name: str, character: str) -> bool:
    font = _load(name, _PROBE_SIZE)
    return character != _MISSING and _ink(font, character) != _ink(font, _NOWHERE)


def _ink(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@cache
def _all_fonts() -> tuple[str, ...]:
    """The usable fonts, best first: Pillow's own as "", the others as paths."""
    found: dict[str, str] = {}
    for folder in _font_folders():
        for root, _, files in os.walk(folder):
            for file in files:
                found.setdefault(file, str(Path(root) / file))
    noto = sorted(file for file in found if file.startswith("NotoSans") and "-Regular." in file)
    names = dict.fromkeys([*(file for file in _WIDE_FONTS if file in found), *noto])
    return (_BUILT_IN, *(found[name] for name in names if _readable(found[name])))


def _font_folders() -> list[Path]:
    home = Path.home()
    windows = Path(os.environ.get("WINDIR", "C:/Windows"))
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [home / ".local/share/fonts", home / ".fonts", *(Path(p) / "fonts" for p in shared.split(":"))]
    folders += [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"), windows / "Fonts"]
    for package, inside in (("matplotlib", "mpl-data/fonts/ttf"), ("noto_cjk_sans_otc", ".")):
        spec = find_spec(package)  # finds it without importing it
        folders += [Path(place) / inside for place in (spec.submodule_search_locations if spec else None) or ()]
    return folders


def _readable(path: str) -> bool:
    try:
        ImageFont.truetype(path, _PROBE_SIZE)
    except OSError:
        return False
    return True


@lru_cache(maxsize=64)
def _load(name: str, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType, so labels cannot be drawn")
    return font
