"""The metrics as Prometheus' own parser reads them back."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seekcam.streamer import telemetry as telemetry_module
from seekcam.streamer.telemetry import STAGES, Telemetry, watch_loop

NAMES = {
    "seekcam_sessions",
    "seekcam_viewers",
    "seekcam_streams",
    "seekcam_decoded_sources",
    "seekcam_frames_received_total",
    "seekcam_frames_processed_total",
    "seekcam_recorder_dropped_total",
    "seekcam_stage_seconds_count",
    "seekcam_queue_age_seconds_count",
    "seekcam_loop_lag_seconds_count",
    "seekcam_batch_size_count",
    "seekcam_rtt_seconds_count",
    "seekcam_packet_loss_ratio_count",
}


def samples(telemetry: Telemetry) -> dict[tuple[str, str], float]:
    """(sample name, its label's value or "") -> value."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(telemetry.exposition().decode())
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_every_promised_metric_is_there_before_the_first_frame() -> None:
    assert not NAMES - {name for name, _ in samples(Telemetry())}


def test_frames_are_counted_and_timed() -> None:
    telemetry = Telemetry()
    telemetry.received()
    telemetry.received(2)
    telemetry.processed({"infer": 20.0, "total": 30.0, "no-stage": 1.0})
    telemetry.processed({"infer": 40.0})
    telemetry.dropped("replaced", 3)
    telemetry.dropped("recorder")
    seen = samples(telemetry)
    assert seen["seekcam_frames_received_total", ""] == 3
    assert seen["seekcam_frames_processed_total", ""] == 2
    assert seen["seekcam_frames_dropped_total", "replaced"] == 3
    assert seen["seekcam_frames_dropped_total", "recorder"] == 1
    assert seen["seekcam_stage_seconds_count", "infer"] == 2
    assert seen["seekcam_stage_seconds_sum", "infer"] == pytest.approx(0.06)
    assert {label for name, label in seen if name == "seekcam_stage_seconds_count"} == set(STAGES)


def test_only_stages_that_somebody_times_are_listed() -> None:
    package = Path(telemetry_module.__file__).parent
    code = "".join(p.read_text("utf-8") for p in package.rglob("*.py") if p.name != "telemetry.py")
    code += (package.parent / "localization" / "pipeline.py").read_text("utf-8")
    assert [stage for stage in STAGES if f'"{stage}"' not in code] == []


def test_gauges_and_distributions() -> None:
    telemetry = Telemetry()
    telemetry.sessions.set(4)
    telemetry.batch(3)
    telemetry.queue_age(0.5)
    telemetry.path(0.25, 0.08)
    telemetry.path(0.0, None)
    telemetry.recorder_dropped(7)
    seen = samples(telemetry)
    assert seen["seekcam_sessions", ""] == 4
    assert seen["seekcam_batch_size_sum", ""] == 3
    assert seen["seekcam_queue_age_seconds_sum", ""] == 0.5
    assert seen["seekcam_rtt_seconds_sum", ""] == 0.08
    assert seen["seekcam_rtt_seconds_count", ""] == 1
    assert seen["seekcam_packet_loss_ratio_sum", ""] == 0.25
    assert seen["seekcam_packet_loss_ratio_count", ""] == 2
    assert seen["seekcam_recorder_dropped_total", ""] == 7


def test_of_a_pages_report_only_numbers_count() -> None:
    telemetry = Telemetry()
    telemetry.overlay({"age": [40, True, "x", -1, 1e9, None], "matched": 2, "unmatched": True})
    telemetry.overlay({"age": "old", "matched": -5, "unmatched": [1]})
    seen = samples(telemetry)
    assert seen["seekcam_overlay_seconds_count", "age"] == 1
    assert seen["seekcam_overlay_results_total", "matched"] == 2
    assert seen.get(("seekcam_overlay_results_total", "unmatched"), 0) == 0


def test_two_servers_in_one_process_do_not_add_up() -> None:
    first, second = Telemetry(), Telemetry()
    first.received()
    assert samples(second)["seekcam_frames_received_total", ""] == 0


class LagLog(Telemetry):
    """Says when the first lag has been measured."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.get_running_loop().create_future()

    def loop_lag(self, seconds: float) -> None:
        super().loop_lag(seconds)
        if not self.first.done():
            self.first.set_result(seconds)


async def test_a_blocked_event_loop_shows_as_lag() -> None:
    telemetry = LagLog()
    watch = asyncio.create_task(watch_loop(telemetry, 0.01))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251  # the very thing to notice
    lag = await telemetry.first
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
    assert lag >= 0.085  # blocked for 0.1 s where 0.01 was asked for
    assert samples(telemetry)["seekcam_loop_lag_seconds_sum", ""] >= 0.085
