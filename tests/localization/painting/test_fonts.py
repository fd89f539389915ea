"""Text in any script: what is covered, what is drawn, and that no text whatever breaks a label."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.localization.painting import fonts
from seekcam.localization.painting.fonts import BASELINE, LINE_HEIGHT, clean, coverage, draw_text, text_width

SCRIPTS = {
    "Latin": "Persian cat",
    "Cyrillic": "персидская кошка",
    "Greek": "περσική γάτα",
    "Arabic": "قطة فارسية",
    "Hebrew": "חתול פרסי",
    "Chinese": "波斯猫",
    "Japanese": "ペルシャ猫",
    "Korean": "페르시안 고양이",
    "Devanagari": "फ़ारसी बिल्ली",
    "Thai": "แมวเปอร์เซีย",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_is_covered_is_drawn_with_its_own_glyphs(script: str) -> None:
    text = SCRIPTS[script]
    if coverage(text) < 1:
        pytest.skip(f"no font for {script} on this machine")
    glyphs, boxes = draw_text(text, 24), draw_text("\ufffd" * len(text), 24)
    assert glyphs.max() == 255
    assert glyphs.shape != boxes.shape or not np.array_equal(glyphs, boxes)


@pytest.fixture
def only_pillows_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any font, Pillow's own aside."""
    monkeypatch.setattr(fonts, "_all_fonts", lambda: ("",))
    coverage.cache_clear()
    draw_text.cache_clear()
    yield
    coverage.cache_clear()
    draw_text.cache_clear()


@pytest.mark.usefixtures("only_pillows_font")
def test_without_any_other_font_plain_latin_reads_and_the_rest_is_boxes() -> None:
    assert coverage("Persian cat 87 % (not sure)…") == 1
    assert coverage("波斯猫") == 0
    assert coverage("cat 猫") == pytest.approx(3 / 4)
    assert np.array_equal(draw_text("波斯猫", 21), draw_text("\ufffd" * 3, 21))


def test_the_fonts_that_come_along_cover_latin_greek_cyrillic_arabic_and_hebrew() -> None:
    for script in ("Latin", "Greek", "Cyrillic", "Arabic", "Hebrew"):
        assert coverage(SCRIPTS[script]) == 1
    assert coverage("façade Ångström žluťoučký kůň") == 1


def test_a_line_is_set_in_one_font_where_one_has_it_all() -> None:
    assert [name for name, _ in fonts._runs("cat 87 %")] == [""]
    ((name, _),) = fonts._runs("Ångström 87 %")
    assert name


@given(st.text(st.characters(codec=None), max_size=30), st.sampled_from((9, 18, 40)))
@settings(deadline=None, max_examples=100)
def test_any_text_is_drawn_on_one_line(text: str, size: int) -> None:
    bitmap = draw_text(text, size)
    assert bitmap.shape == (round(LINE_HEIGHT * size), text_width(text, size))
    assert 0 <= coverage(text) <= 1
    assert bitmap.dtype == np.uint8


def test_capitals_stand_in_the_middle_of_the_line() -> None:
    rows = np.nonzero(draw_text("HEX", 40).max(axis=1) > 128)[0]
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(LINE_HEIGHT * 40 / 2, abs=1.5)
    assert rows[-1] + 1 == pytest.approx(BASELINE * 40, abs=1)


def test_a_longer_text_and_a_larger_size_are_wider() -> None:
    assert text_width("cat", 20) < text_width("cats", 20) < text_width("cats", 30)


def test_lines_and_control_characters_are_cleaned() -> None:
    assert clean(" tabby\n\tcat\x00 ") == "tabby cat\ufffd"
    assert clean("lone \ud800") == "lone \ufffd"
    assert clean("می\u200cخواهم") == "می\u200cخواهم", "joiners carry meaning"


def test_pieces_of_right_to_left_text_stand_from_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    hebrew = next(name for name in fonts._all_fonts() if fonts._draws(name, "ח"))
    monkeypatch.setattr(fonts, "_draws", lambda name, c: (name == hebrew) == ("א" <= c <= "ת"))
    monkeypatch.setattr(fonts, "_all_fonts", lambda: ("", hebrew))
    assert [piece.strip() for _, piece in fonts._runs("חתול cat")] == ["cat", "חתול"]
    assert [piece.strip() for _, piece in fonts._runs("cat חתול")] == ["cat", "חתול"]


def test_arabic_letters_are_joined() -> None:
    letters = "قطة"
    assert text_width(letters, 40) < 0.9 * sum(text_width(letter, 40) for letter in letters)
