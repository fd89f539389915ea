"""Data channels over a path that loses: two of aiortc's associations, and between them what the test lets through."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport

from seekcam.streamer.viewers.outputs import MAX_MESSAGE
from seekcam.streamer.webrtc import congestion, upstream

FULL = b"\0" * MAX_MESSAGE


@dataclass
class Wire:
    """The DTLS transport below an association, as far as that knows it; its packets reach the other one's association.

    Attributes:
        losing: how many of the packets that follow are lost.
        way_s: seconds that the others take.
    """

    _role: str
    state: str = "connected"
    losing: float = 0
    way_s: float = 0.01
    _other: "Wire | None" = None
    _receiver: Any = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def join(self, other: "Wire") -> None:
        self._other, other._other = other, self

    def _register_data_receiver(self, receiver: Any) -> None:
        self._receiver = receiver

    def _unregister_data_receiver(self, _: Any) -> None:
        self._receiver = None

    async def _send_data(self, data: bytes) -> None:
        if self.losing > 0:
            self.losing -= 1
            return
        self._tasks.add(task := asyncio.create_task(self._deliver(data)))
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, data: bytes) -> None:
        await asyncio.sleep(self.way_s)
        if self._other is not None and self._other._receiver is not None:
            await self._other._receiver._handle_data(data)


@dataclass
class Pair:
    """A sender's association with an open channel for results, the wire it sends on, and when messages arrived."""

    sctp: Any
    channel: RTCDataChannel
    wire: Wire
    back: Wire
    arrived: list[float]


@contextlib.asynccontextmanager
async def joined(adapted: bool) -> AsyncIterator[Pair]:
    here, there = Wire("server"), Wire("client")
    here.join(there)
    sctp, other = RTCSctpTransport(here), RTCSctpTransport(there)  # type: ignore[arg-type]
    if adapted:
        assert congestion.outlast_losses(sctp)
    arrived: list[float] = []

    def took(channel: RTCDataChannel) -> None:
        channel.on("message", lambda _: arrived.append(asyncio.get_running_loop().time()))

    other.on("datachannel", took)
    await asyncio.gather(sctp.start(None, 5000), other.start(None, 5000))
    channel = RTCDataChannel(sctp, RTCDataChannelParameters("seekcam-results", ordered=False, maxRetransmits=0))
    async with asyncio.timeout(10):
        while channel.readyState != "open" or not arrived:
            await asyncio.sleep(0.01)
            channel.send(b"?") if channel.readyState == "open" and channel.bufferedAmount == 0 else None
    try:
        yield Pair(sctp, channel, here, there, arrived)
    finally:
        await asyncio.gather(sctp.stop(), other.stop())


async def send(pair: Pair, count: int) -> int:
    """Send full messages, 30 a second, those that need not wait; how many that were comes back."""
    sent = 0
    for _ in range(count):
        if pair.channel.bufferedAmount == 0:
            pair.channel.send(FULL)
            sent += 1
        await asyncio.sleep(1 / 30)
    return sent


async def longest_wait(adapted: bool, lost: int) -> float:
    """Seconds without a message where so many packets in a row are lost."""
    async with joined(adapted) as pair:
        await send(pair, 10)
        pair.wire.losing = lost
        begun = asyncio.get_running_loop().time()
        await send(pair, 45)
        times = [begun, *(at for at in pair.arrived if at > begun)]
        return max(after - before for before, after in pairwise(times))


def test_upstream_is_what_this_was_written_for() -> None:
    for thing, known in congestion.SCTP_SOURCES.items():
        assert upstream.source_hash(thing) == known, thing


async def test_messages_go_on_behind_lost_ones_where_upstream_stops_for_a_second() -> None:
    assert await longest_wait(adapted=False, lost=4) > 0.9
    assert await longest_wait(adapted=True, lost=4) < 0.35  # 0.17 of them are the lost four


async def test_after_a_dark_second_messages_come_again_within_one() -> None:
    async with joined(adapted=True) as pair:
        await send(pair, 10)
        pair.wire.losing = pair.back.losing = float("inf")
        in_the_dark = await send(pair, 30)
        assert in_the_dark < 30  # a path that carries nothing is not filled any further
        pair.wire.losing = pair.back.losing = 0
        light = asyncio.get_running_loop().time()
        await send(pair, 30)
        assert min(at for at in pair.arrived if at > light) - light < 1


async def test_a_path_that_becomes_slow_is_given_its_time() -> None:
    async with joined(adapted=True) as pair:
        await send(pair, 15)
        assert pair.sctp._rto == congestion.MIN_RTO_S
        pair.wire.way_s = pair.back.way_s = 0.22
        await send(pair, 60)  # those before the path is known to be slow are taken for lost
        assert await send(pair, 60) > 50  # 57 on a machine that keeps time; 41 where the timeout does not adapt
        assert 0.44 < pair.sctp._rto <= congestion.UNHEARD_RTO_S


async def test_upstreams_longest_timeout_stays() -> None:
    sctp: Any = RTCSctpTransport(Wire("server"))  # type: ignore[arg-type]
    assert congestion.outlast_losses(sctp)
    sctp._update_rto(1000.0)
    assert sctp._rto == 60


async def test_an_unknown_upstream_is_left_alone_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.warn_once.cache_clear()
    monkeypatch.setitem(congestion.SCTP_SOURCES, RTCSctpTransport._transmit, "of another version")
    for _ in range(2):
        sctp = RTCSctpTransport(Wire("server"))  # type: ignore[arg-type]
        assert not congestion.outlast_losses(sctp)
        assert "_transmit" not in vars(sctp)
    assert len(caplog.records) == 1
