"""Measuring: the numbered clip survives codec and overlay, the statistics are the textbook's, the whole way runs."""

import itertools
import json
import statistics
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from seekcam import cli
from seekcam.localization.errors import PictureError, UserError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.prediction import Box, ClassMap, Prediction, RankedClass
from seekcam.localization.settings import AnalysisSettings, PaintSettings
from seekcam.streamer.bench import moving_photograph as clips
from seekcam.streamer.bench.bench_verb import parse_batches
from seekcam.streamer.bench.end_to_end import BenchSession
from seekcam.streamer.bench.moving_photograph import (
    BITS,
    LOOP,
    NUMBERS,
    MovingPhotograph,
    frame_number,
    read_number,
    write_number,
)
from seekcam.streamer.bench.server_process import BenchError, running_server
from seekcam.streamer.bench.stages import STAGES, measure_stages, spread
from seekcam.streamer.media.frames import paint_frame, planes


@pytest.fixture(scope="module")
def clip() -> MovingPhotograph:
    return MovingPhotograph(320, 240, data.astronaut())


def through_vp8(frames: list[av.VideoFrame], bit_rate: int) -> list[av.VideoFrame]:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.bit_rate, encoder.framerate = bit_rate, Fraction(30)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    packets = []
    for pts, frame in enumerate(frames):
        frame.pts = pts
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [frame for packet in packets for frame in decoder.decode(packet)]


@given(
    number=st.integers(0, NUMBERS - 1),
    width=st.integers(80, 640).map(lambda half: 2 * half),
    height=st.integers(80, 360).map(lambda half: 2 * half),
)
@settings(deadline=None, max_examples=40)
def test_a_number_that_is_written_is_read(number: int, width: int, height: int) -> None:
    luma = np.full((height, width), 128, np.uint8)
    write_number(luma, number)
    assert read_number(luma) == number


@given(number=st.integers(0, NUMBERS - 1), pair=st.integers(0, BITS - 1))
@settings(deadline=None, max_examples=40)
def test_a_flipped_bit_is_noticed(number: int, pair: int) -> None:
    luma = np.full((240, 20 * BITS), 128, np.uint8)
    write_number(luma, number)
    cells = luma[:, 20 * pair : 20 * (pair + 1)]
    luma[:, 20 * pair : 20 * (pair + 1)] = cells[:, ::-1].copy()
    assert read_number(luma) is None


def test_numbers_survive_compression_at_a_poor_rate(clip: MovingPhotograph) -> None:
    decoded = through_vp8([clip.frame(100 + n) for n in range(30)], bit_rate=150_000)
    assert [frame_number(frame) for frame in decoded] == list(range(100, 130))


def test_numbers_survive_the_overlay(clip: MovingPhotograph) -> None:
    grid = np.linspace(0, 1, 196, dtype=np.float32).reshape(14, 14)
    maps = (ClassMap(0, "suit", grid, 0.5, 0.9),)
    boxes = (Box(0, "suit", 0.8, (0.1, 0.1, 0.9, 0.7)),)
    seen = Prediction("m", "cam", (RankedClass(0, "suit", 0.9),), maps, boxes)
    assert frame_number(paint_frame(clip.frame(4711), seen, PaintSettings(opacity=0.7))) == 4711


def test_the_photograph_moves_and_repeats(clip: MovingPhotograph) -> None:
    def luma(number: int) -> NDArray[np.int16]:
        return planes(clip.frame(number))[0][:200].astype(np.int16)

    assert np.abs(luma(0) - luma(1)).mean() > 1
    assert np.array_equal(luma(0), luma(LOOP))


@pytest.mark.parametrize(("width", "height"), [(321, 240), (320, 100), (0, 0)])
def test_a_size_that_no_video_has_is_refused(width: int, height: int) -> None:
    with pytest.raises(UserError, match="even and at least 160"):
        MovingPhotograph(width, height)


def test_the_default_photograph_and_a_file_are_read(tmp_path: Path) -> None:
    assert clips.portrait().shape == (600, 512, 3)
    with pytest.raises(PictureError, match=r"nothing\.png"):
        clips.photograph(tmp_path / "nothing.png")


@given(values=st.lists(st.floats(0, 1e4), min_size=2, max_size=50))
@settings(deadline=None, max_examples=40)
def test_spread_is_the_textbooks_percentiles(values: list[float]) -> None:
    found = spread(values)
    assert found.p50 == pytest.approx(statistics.median(values), abs=1e-3)
    assert found.p95 == pytest.approx(statistics.quantiles(values, n=20, method="inclusive")[-1], abs=1e-3)


@pytest.mark.parametrize(("text", "sizes"), [("1", (1,)), ("4, 1,4", (4, 1)), ("16", (16,))])
def test_batches_are_parsed(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_batches(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "17", "1,,2", "two", "-1", "1.5"])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="from 1 to 16"):
        parse_batches(text)


def test_stages_add_up(default_model_path: Path, clip: MovingPhotograph, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()  # a clock that is a second further each time it is looked at
    monkeypatch.setattr("seekcam.streamer.bench.stages.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    result = measure_stages(LocalizationModel(default_model_path, "cpu"), clip, 2, 20, AnalysisSettings())
    assert set(result.ms) == set(STAGES)
    assert result.frames >= 10
    assert result.fps == pytest.approx(2 / 3, abs=0.01)  # a batch of 2 in a second each of resize, localize and paint
    assert result.ms["resize"].p50 == result.ms["paint"].p95 == 500
    assert result.ms["boxes"].p50 > 0  # as the pipeline says, by the real clock
    assert result.ms["graph"].p50 < 500


def returned(pairs: list[tuple[int, float]], sent: dict[int, float], clip: MovingPhotograph) -> BenchSession:
    """A session that has sent and got back frames at these moments."""
    session = BenchSession(clip, 30)
    session._camera.sent_at.update(sent)
    for number, at in pairs:
        session._note(number, at)
    return session


async def test_a_sessions_arithmetic(clip: MovingPhotograph) -> None:
    sent = {n: n / 10 for n in range(100)}  # 10 fps
    # Every second frame comes back, one of them twice; the latency is 50 ms at first and 80 ms in the second half.
    back = [(n, n / 10 + (0.05 if n < 50 else 0.08)) for n in range(0, 100, 2)]
    session = returned([*back[:10], (back[9][0], back[9][1] + 1), *back[10:]], sent, clip)
    session._note(None, 9.9)
    result = session.result()
    assert (result.sent, result.returned, result.repeated, result.unreadable) == (100, 50, 1, 1)
    assert result.fps_sent == pytest.approx(10)
    assert result.fps_back == pytest.approx(50 / (9.88 - 0.05), abs=0.01)
    assert result.latency_first_ms == pytest.approx(50)
    assert result.latency_last_ms == pytest.approx(80)
    assert result.latency_ms.p95 == pytest.approx(80)
    assert max(frame.latency_ms for frame in result.frames) == pytest.approx(80)  # the first return counts


async def test_numbers_that_start_again_are_told_apart(clip: MovingPhotograph) -> None:
    sent = {n: float(n) for n in range(NUMBERS + 10)}
    session = returned([(NUMBERS - 1, NUMBERS - 0.9), (3, NUMBERS + 3.1)], sent, clip)
    assert [frame.latency_ms for frame in session.result().frames] == [pytest.approx(100), pytest.approx(100)]


async def test_a_session_without_frames_says_so(clip: MovingPhotograph) -> None:
    with pytest.raises(BenchError, match="Nothing came back"):
        BenchSession(clip, 30).result()


async def test_a_server_that_does_not_start_is_quoted() -> None:
    with pytest.raises(BenchError, match=r"did not start; it said: .*nonsense"):
        async with running_server({"model": "nonsense"}):
            pass


def test_the_whole_way(
    default_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("SEEKCAM_TOKEN", "of-this-machine")  # must not lock the measurement out
    document, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    options = ["--model", str(default_model_path), "--provider", "cpu", "--seconds", "2", "--fps", "10"]
    size = ["--width", "320", "--height", "240"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench", "--end-to-end", *options, *size, "--json", str(document), "--plot", str(plot)])
    assert not ended.value.code
    assert "efficientnet-lite0" in capsys.readouterr().out
    result = json.loads(document.read_text("utf-8"))
    session = result["end_to_end"][0]
    assert result["setup"]["provider"] == "cpu"
    assert session["returned"] >= 5
    assert session["unreadable"] <= session["returned"] // 5
    assert session["results"] > 0
    assert session["server"]["processed"] > 0
    assert all(0 < frame["latency_ms"] < 5000 for frame in session["frames"])
    with av.open(str(plot)) as image:
        assert image.streams.video[0].width == 960


def test_a_result_goes_into_json(clip: MovingPhotograph, tmp_path: Path, default_model_path: Path) -> None:
    from seekcam.streamer.bench.bench_report import setup_of, write_json

    setup = replace(setup_of(LocalizationModel(default_model_path, "cpu"), 320, 240), cores=2)
    write_json(tmp_path / "x.json", setup, server_cpu_percent=None)
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))["setup"]["cores"] == 2
    with pytest.raises(UserError, match="cannot be written"):
        write_json(tmp_path / "x.json" / "inside.json", setup)
