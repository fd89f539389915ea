"""What the server counts and times, in Prometheus' words; session ids never become labels.

Counters only rise, gauges are set by whoever owns the number, histograms hold seconds. Every `Telemetry` has its own
registry, so that two servers in one process (tests) do not add up. All methods may be called from any thread.
"""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

STAGES = ("queue", "prepare", "infer", "boxes", "paint", "total")
OVERLAY_PARTS = ("age", "uplink", "downlink")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
MAX_REPORTED = 240  # values that a page's report of one second may hold
LAG_INTERVAL = 0.25  # seconds between two looks at the event loop's lag

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_RATIOS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Telemetry:
    """The server's metrics; `exposition()` is what `/metrics` answers."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions = Gauge("seekcam_sessions", "Peer connections that are open.", registry=registry)
        self.viewers = Gauge("seekcam_viewers", "Subscribers of all streams.", registry=registry)
        self.streams = Gauge("seekcam_streams", "Streams that exist.", registry=registry)
        self.decoded_sources = Gauge("seekcam_decoded_sources", "Sources being decoded.", registry=registry)
        self._received = Counter("seekcam_frames_received_total", "Frames decoded from sources.", registry=registry)
        self._processed = Counter("seekcam_frames_processed_total", "Frames localized.", registry=registry)
        self._dropped = Counter("seekcam_frames_dropped_total", "Frames left out.", ["reason"], registry=registry)
        self._stage = Histogram(
            "seekcam_stage_seconds", "Time of one frame in a stage.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._queue_age = Histogram(
            "seekcam_queue_age_seconds",
            "Age of a frame when inference takes it.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._loop_lag = Histogram(
            "seekcam_loop_lag_seconds", "How late the event loop wakes up.", buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram("seekcam_batch_size", "Frames in one inference run.", buckets=_SIZES, registry=registry)
        self._recorder_dropped = Counter(
            "seekcam_recorder_dropped_total", "Frames a recording left out.", registry=registry
        )
        self._rtt = Histogram("seekcam_rtt_seconds", "Round trip to a peer.", buckets=_SECONDS, registry=registry)
        self._loss = Histogram(
            "seekcam_packet_loss_ratio",
            "Share of packets lost on the way to a peer.",
            buckets=_RATIOS,
            registry=registry,
        )
        self._overlay = Histogram(
            "seekcam_overlay_seconds",
            "A map painted by a page: age from capture to paint, and the ways up and down, as the pages report them.",
            ["part"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._overlay_frames = Counter(
            "seekcam_overlay_results_total",
            "Results that reached a page in overlay mode, by whether it had the very frame.",
            ["frame"],
            registry=registry,
        )
        # All show from the start, with zero frames; and looking one up takes as long as noting a time.
        self._parts = {part: self._overlay.labels(part) for part in OVERLAY_PARTS}
        self._stages = {stage: self._stage.labels(stage) for stage in STAGES}

    def received(self, n: int = 1) -> None:
        """Count decoded frames."""
        self._received.inc(n)

    def processed(self, ms: Mapping[str, float]) -> None:
        """Count one localized frame and its stages' milliseconds; names that are no stage are left out."""
        self._processed.inc()
        for stage, value in ms.items():
            self.stage(stage, value)

    def stage(self, stage: str, ms: float) -> None:
        """Time a stage that happens apart from the others, such as `paint`."""
        if (times := self._stages.get(stage)) is not None:
            times.observe(ms / 1000)

    def overlay(self, report: Mapping[str, object]) -> None:
        """Note what a page says of its last second in overlay mode; whatever is not as agreed is passed over.

        `age`, `uplink` and `downlink` are lists of milliseconds, `matched` and `unmatched` numbers of results.
        """
        for part in OVERLAY_PARTS:
            values = report.get(part)
            for ms in values[:MAX_REPORTED] if isinstance(values, list) else ():
                if isinstance(ms, int | float) and not isinstance(ms, bool) and 0 <= ms < 60_000:
                    self._parts[part].observe(ms / 1000)
        for frame in ("matched", "unmatched"):
            count = report.get(frame)
            if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_REPORTED:
                self._overlay_frames.labels(frame).inc(count)

    def dropped(self, reason: str, n: int = 1) -> None:
        """Count frames left out; `reason` is one of a few fixed words."""
        self._dropped.labels(reason).inc(n)

    def batch(self, size: int) -> None:
        """Note how many frames one inference run held."""
        self._batch.observe(size)

    def queue_age(self, seconds: float) -> None:
        """Note how old a frame was when inference took it."""
        self._queue_age.observe(seconds)

    def loop_lag(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._loop_lag.observe(seconds)

    def recorder_dropped(self, n: int = 1) -> None:
        """Count frames that a recording left out."""
        self._recorder_dropped.inc(n)

    def path(self, loss: float, rtt: float | None) -> None:
        """Note what a peer says of the network path to it: the share of packets lost, and the round trip."""
        self._loss.observe(loss)
        if rtt is not None:
            self._rtt.observe(rtt)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


async def watch_loop(telemetry: Telemetry, interval: float = LAG_INTERVAL) -> None:
    """Measure for ever how much later than asked the event loop wakes up; a starved loop loses ICE consent."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        telemetry.loop_lag(max(0.0, loop.time() - due))
