"""`annotate` on real files: what comes out is compared with what went in, packet by packet where it must be equal."""

import json
import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from seekcam.localization.errors import UserError
from seekcam.localization.model import LocalizationModel
from seekcam.localization.pictures import read_picture, save_picture
from seekcam.localization.pipeline import localize, localize_batch
from seekcam.localization.region import WHOLE
from seekcam.localization.settings import Settings
from seekcam.streamer.annotate import analyst as analyst_module
from seekcam.streamer.annotate import video as video_module
from seekcam.streamer.annotate.analyst import Analyst
from seekcam.streamer.annotate.camera import annotate_camera
from seekcam.streamer.annotate.picture_files import annotate_folder, annotate_picture
from seekcam.streamer.annotate.plan import Task, plan
from seekcam.streamer.annotate.video import annotate_video
from seekcam.streamer.media.frames import to_rgb
from tests.helpers.films import CAT, CUP, UNEVEN, film, lines, packets, times, without_timing


@pytest.fixture(scope="module")
def model(default_model_path: Path) -> LocalizationModel:
    return LocalizationModel(default_model_path, "cpu")


@pytest.mark.parametrize(
    ("name", "time_base", "ticks"),
    [
        ("even.mp4", Fraction(1, 12_288), list(range(0, 5120, 512))),
        ("uneven.mp4", Fraction(1, 90_000), [t * 90 for t in UNEVEN]),
        ("uneven.mkv", Fraction(1, 1000), UNEVEN),
        ("ntsc.mov", Fraction(1001, 30_000), list(range(12))),
    ],
)
def test_every_frame_keeps_its_time_and_the_sound_its_bytes(
    model: LocalizationModel, tmp_path: Path, name: str, time_base: Fraction, ticks: list[int]
) -> None:
    source = film(tmp_path / name, ticks, time_base, sound=True)
    output, sidecar = tmp_path / f"out{source.suffix}", tmp_path / "out.jsonl"
    assert annotate_video(Analyst(model, Settings()), source, output, sidecar) == (len(ticks), 0)
    assert times(output) == times(source)
    assert packets(output, "audio") == packets(source, "audio")
    assert [line["pts"] for line in lines(sidecar)] == pytest.approx([float(t) for t in times(source)], abs=1e-6)
    assert [line["frame"] for line in lines(sidecar)] == list(range(len(ticks)))
    assert lines(sidecar)[0]["top"][0]["name"] in ("Egyptian cat", "tabby", "tiger cat")
    assert {p.name for p in tmp_path.iterdir()} == {name, output.name, sidecar.name}


@pytest.mark.parametrize("matrix", [1, 2, 6])
def test_the_picture_itself_stays_as_it_was(model: LocalizationModel, tmp_path: Path, matrix: int) -> None:
    source = film(tmp_path / "a.mp4", [0, 40, 80], matrix=matrix)
    settings = Settings().changed({"opacity": 0, "boxes": False, "labels": False})
    annotate_video(Analyst(model, settings), source, tmp_path / "b.mp4")
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mp4")) as after:
        for old, new in zip(before.decode(video=0), after.decode(video=0), strict=True):
            difference = to_rgb(new).astype(float) - to_rgb(old)
            assert abs(difference.mean()) < 1
            assert np.abs(difference).mean() < 4


def test_a_film_lying_on_its_side_comes_out_upright(model: LocalizationModel, tmp_path: Path) -> None:
    flat = film(tmp_path / "flat.mp4", [0, 40, 80])
    turned = tmp_path / "turned.mp4"
    with av.open(str(flat)) as original, av.open(str(turned), "w") as container:
        stream = container.add_stream_from_template(original.streams.video[0])
        stream.set_display_rotation(90)
        for packet in original.demux(original.streams.video[0]):
            if packet.pts is not None:
                packet.stream = stream
                container.mux(packet)
    settings = Settings().changed({"opacity": 0, "boxes": False, "labels": False})
    annotate_video(Analyst(model, settings), turned, tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as upright, av.open(str(flat)) as lying:
        shown, filmed = next(upright.decode(video=0)), next(lying.decode(video=0))
        assert (shown.width, shown.height, shown.rotation) == (128, 192, 0)
        # 90 degrees of the display matrix are a quarter turn counterclockwise: the right edge comes up.
        assert np.abs(to_rgb(shown).astype(float) - np.rot90(to_rgb(filmed))).mean() < 5


def test_what_an_older_seekcam_left_half_done_is_begun_anew(
    model: LocalizationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PIECE_FRAMES", 2)
    source = film(tmp_path / "a.mp4", list(range(0, 240, 40)))
    settings = Settings().changed({"map": "plain"})

    def interrupt(done: int, expected: int | None) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate_video(Analyst(model, settings), source, tmp_path / "b.mp4", on_progress=interrupt)
    [progress] = tmp_path.glob("**/progress.json")
    document = json.loads(progress.read_text(encoding="utf-8"))
    document["state"] = {"trackers": [{"average": None, "held": None, "pts": 0.0}]}  # as it was before heads
    document["job"].pop("state", None)
    progress.write_text(json.dumps(document), encoding="utf-8")
    begun: list[int] = []
    annotate_video(Analyst(model, settings), source, tmp_path / "b.mp4", on_progress=lambda done, _: begun.append(done))
    assert begun[0] == 0
    assert len(times(tmp_path / "b.mp4")) == 6


@pytest.mark.parametrize("stop_after", [3, 9, 14])
def test_an_interrupted_video_goes_on_and_is_the_same_in_the_end(
    model: LocalizationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(video_module, "PIECE_FRAMES", 5)
    source = film(tmp_path / "a.mp4", list(range(0, 680, 40)), sound=True)
    settings = Settings().changed({"threshold": 0.4})
    annotate_video(Analyst(model, settings), source, tmp_path / "whole.mp4", tmp_path / "whole.jsonl")

    localized = []
    real = localize_batch

    def counting(*arguments: Any) -> Any:
        localized.append(1)
        return real(*arguments)

    def interrupt(done: int, expected: int | None) -> None:
        if done >= stop_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(analyst_module, "localize_batch", counting)
    with pytest.raises(KeyboardInterrupt):
        annotate_video(Analyst(model, settings), source, tmp_path / "cut.mp4", tmp_path / "cut.jsonl", interrupt)
    assert not (tmp_path / "cut.mp4").exists()
    assert not (tmp_path / "cut.jsonl").exists()
    localized.clear()
    begun: list[int] = []
    analyst = Analyst(model, settings)
    annotate_video(analyst, source, tmp_path / "cut.mp4", tmp_path / "cut.jsonl", lambda done, _: begun.append(done))
    assert begun[0] == stop_after // 5 * 5
    assert len(localized) == 17 - begun[0]
    assert (tmp_path / "cut.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert without_timing(tmp_path / "cut.jsonl") == without_timing(tmp_path / "whole.jsonl")
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "whole.mp4", "whole.jsonl", "cut.mp4", "cut.jsonl"}


def test_a_film_between_bars_goes_on_where_it_was_although_frames_are_fitted_ahead(model: LocalizationModel) -> None:
    picture = np.pad(np.asarray(cv2.resize(CAT, (192, 96)), np.uint8), ((24, 24), (0, 0), (0, 0)))
    frames = [av.VideoFrame.from_ndarray(np.roll(picture, i, axis=1), "rgb24") for i in range(20)]
    pts = [i / 10 for i in range(20)]
    whole = Analyst(model, Settings())
    fitted = [whole.fit(frame, seconds) for frame, seconds in zip(frames, pts, strict=True)]
    expected = [
        whole.follow([frame], [each], [seconds])[0] for frame, each, seconds in zip(frames, fitted, pts, strict=True)
    ]
    assert {each.region for each in fitted} == {WHOLE, fitted[-1].region}
    for stop in (3, 12):
        first, second = Analyst(model, Settings()), Analyst(model, Settings())
        ahead = [first.fit(frame, seconds) for frame, seconds in zip(frames[: stop + 5], pts, strict=False)]
        for frame, each, seconds in zip(frames, ahead[:stop], pts, strict=False):
            first.follow([frame], [each], [seconds])
        second.restore(json.loads(json.dumps(first.state())))
        for frame, seconds, as_whole in list(zip(frames, pts, expected, strict=True))[stop:]:
            [prediction] = second.follow([frame], [second.fit(frame, seconds)], [seconds])
            assert prediction.boxes == as_whole.boxes


def test_batches_see_what_single_frames_see(
    model: LocalizationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path / "a.mp4", list(range(0, 840, 40)))
    annotate_video(Analyst(model, Settings()), source, tmp_path / "one.mp4", tmp_path / "one.jsonl")
    monkeypatch.setattr(model, "provider", "cuda")  # batches of 8 are for GPUs
    monkeypatch.setattr(video_module, "PIECE_FRAMES", 16)
    annotate_video(Analyst(model, Settings()), source, tmp_path / "eight.mp4", tmp_path / "eight.jsonl")
    for one, eight in zip(lines(tmp_path / "one.jsonl"), lines(tmp_path / "eight.jsonl"), strict=True):
        assert [c["class"] for c in one["top"][:1]] == [c["class"] for c in eight["top"][:1]]
        assert one["shown"] == eight["shown"]
        for mine, other in zip(one["boxes"], eight["boxes"], strict=True):
            assert mine["box"] == pytest.approx(other["box"], abs=0.02)
    assert times(tmp_path / "eight.mp4") == times(source)


def test_progress_made_with_other_settings_is_not_used(
    model: LocalizationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PIECE_FRAMES", 2)
    source = film(tmp_path / "a.mp4", [0, 40, 80, 120])

    def interrupt(done: int, expected: int | None) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate_video(Analyst(model, Settings()), source, tmp_path / "b.mp4", on_progress=interrupt)
    begun: list[int] = []
    other = Settings().changed({"classes": [281]})
    annotate_video(Analyst(model, other), source, tmp_path / "b.mp4", on_progress=lambda done, _: begun.append(done))
    assert begun[0] == 0


def test_damage_in_the_middle_is_passed_over(model: LocalizationModel, tmp_path: Path) -> None:
    source = film(tmp_path / "a.ts", list(range(0, 30 * 3600, 3600)), Fraction(1, 90_000))
    data = bytearray(source.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    source.write_bytes(data)
    frames, _ = annotate_video(Analyst(model, Settings()), source, tmp_path / "b.mp4")
    assert 5 < frames <= 30
    assert len(times(tmp_path / "b.mp4")) == frames


def test_a_picture(model: LocalizationModel, tmp_path: Path) -> None:
    save_picture(CAT, tmp_path / "cat.png")
    task = plan(str(tmp_path / "cat.png"), tmp_path / "out.png", tmp_path / "out.json", overwrite=False)
    annotate_picture(Analyst(model, Settings()), task)
    painted = read_picture(tmp_path / "out.png", 10**7)
    assert painted.shape == CAT.shape
    assert np.abs(painted.astype(int) - CAT).mean() > 5
    [line] = lines(tmp_path / "out.json")
    expected = localize(model, CAT).to_json(0.0, 0)
    assert {**line, "ms": {}} == {**expected, "ms": {}}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    save_picture(CAT, folder / "cat.jpg")
    save_picture(CUP, folder / "sub" / "cup.webp")
    (folder / "broken.jpg").write_bytes((folder / "cat.jpg").read_bytes()[:2000])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_goes_on_and_passes_over_what_is_broken(model: LocalizationModel, album: Path, tmp_path: Path) -> None:
    def annotate(settings: Settings, overwrite: bool = False, stop_at: int = 99) -> Any:
        def on_progress(done: int, expected: int | None) -> None:
            if done == stop_at:
                raise KeyboardInterrupt

        task = plan(str(album), tmp_path / "out", tmp_path / "out.jsonl", overwrite)
        return annotate_folder(Analyst(model, settings), task, overwrite, on_progress)

    with pytest.raises(KeyboardInterrupt):
        annotate(Settings(), stop_at=2)  # the broken one and the cat
    assert not (tmp_path / "out.jsonl").exists()
    second = annotate(Settings())
    assert (second.done, second.skipped) == (1, 1)
    assert len(second.notes) == 1
    assert "broken.jpg is damaged" in second.notes[0]
    assert [line["file"] for line in lines(tmp_path / "out.jsonl")] == ["cat.jpg", "sub/cup.webp"]
    made = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert made == {"cat.jpg", "sub/cup.webp", ".seekcam.json"}
    assert annotate(Settings()).skipped == 2
    os.utime(album / "cat.jpg")  # a newer original is done again
    assert (annotate(Settings()).done, len(lines(tmp_path / "out.jsonl"))) == (1, 2)
    other = Settings().changed({"colormap": "jet"})
    with pytest.raises(UserError, match="--overwrite"):
        annotate(other)
    assert annotate(other, overwrite=True).done == 2


def test_a_folder_of_nothing(model: LocalizationModel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    task = plan(str(tmp_path / "empty"), tmp_path / "out", None, overwrite=False)
    with pytest.raises(UserError, match="no pictures"):
        annotate_folder(Analyst(model, Settings()), task, False, lambda done, expected: None)
    assert not (tmp_path / "out").exists()


def test_a_camera_records_until_it_is_stopped(model: LocalizationModel, tmp_path: Path) -> None:
    """A file takes the place of the camera: it too comes at its own pace, and ends only when told."""
    source = film(tmp_path / "camera.mp4", list(range(0, 8000, 40)))
    task = Task("camera", str(source), tmp_path / "out.mp4", tmp_path / "out.jsonl")
    stop = threading.Event()
    summary = annotate_camera(Analyst(model, Settings()), task, stop, lambda done, _: stop.set() if done == 8 else None)
    assert summary.done == 8
    assert len(times(tmp_path / "out.mp4")) == len(lines(tmp_path / "out.jsonl")) == 8
    assert {p.name for p in tmp_path.iterdir()} == {"camera.mp4", "out.mp4", "out.jsonl"}


def test_another_reader_counts_the_same_frames(model: LocalizationModel, tmp_path: Path) -> None:
    """OpenCV brings an FFmpeg of its own."""
    source = film(tmp_path / "a.mp4", UNEVEN, sound=True)
    annotate_video(Analyst(model, Settings()), source, tmp_path / "b.mp4")
    reader = cv2.VideoCapture(str(tmp_path / "b.mp4"))
    shown = sum(1 for _ in iter(reader.grab, False))
    reader.release()
    assert shown == len(UNEVEN)
