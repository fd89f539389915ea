"""A bad network between two peers of this machine: a UDP relay that loses, delays and overtakes, or lets nothing by.

Both sides' ICE candidates are rewritten, so that each peer knows the other by a socket of the relay's only: for each
candidate of the offer one that the answerer sees, for each of the answer one that the offerer sees.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Self, cast

Address = tuple[str, int]

HOST = "127.0.0.1"
CANDIDATE = "a=candidate:"  # foundation component transport priority address port "typ" type (RFC 8839, 5.1)


@dataclass(frozen=True)
class Path:
    """How a network treats each packet, in either direction, independently of all others.

    `loss` is the share that is lost, 0 to 1; every other one is late by 0 to `jitter` seconds, evenly drawn.
    """

    loss: float = 0.0
    jitter: float = 0.0


CLEAR = Path()
BLACKOUT = Path(loss=1.0)
LOSSY = {"3 %": Path(0.03, jitter=0.05), "10 %": Path(0.10, jitter=0.05)}


class Relay:
    """What both peers take for each other. Close it after them; `path` can be changed at any time."""

    def __init__(self, path: Path = CLEAR, seed: int = 0) -> None:
        self.path = path
        self.passed = self.lost = 0  # packets
        self._draw = random.Random(seed)
        self._doors: dict[Address, _Door] = {}  # by the true address that each stands for
        self._offered: set[Address] = set()
        self._late: set[asyncio.TimerHandle] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for timer in self._late:
            timer.cancel()
        for door in self._doors.values():
            door.close()

    async def offer(self, sdp: str) -> str:
        """An offer as the answerer is to see it."""
        self._offered |= set(_candidates(sdp))
        return await self._rewritten(sdp)

    async def answer(self, sdp: str) -> str:
        """An answer as the offerer is to see it."""
        return await self._rewritten(sdp)

    async def _rewritten(self, sdp: str) -> str:
        lines = []
        for line in sdp.split("\r\n"):
            if address := _candidate(line):
                words = line.split(" ")
                door = await self._door(address)
                words[4], words[5] = HOST, str(door.port)
                line = " ".join(words)
            lines.append(line)
        return "\r\n".join(lines)

    async def _door(self, stands_for: Address) -> "_Door":
        if stands_for not in self._doors:
            loop = asyncio.get_running_loop()
            _, door = await loop.create_datagram_endpoint(lambda: _Door(self, stands_for), local_addr=(HOST, 0))
            self._doors[stands_for] = door
        return self._doors[stands_for]

    def carry(self, data: bytes, source: Address, target: Address) -> None:
        """Take a packet that `source` sent to the door that stands for `target`, some time or never."""
        back = self._doors.get(source)
        if back is None or (source in self._offered) == (target in self._offered):
            return  # not from a peer that was introduced: the relay is nobody else's way in
        if self._draw.random() < self.path.loss:
            self.lost += 1
            return
        self.passed += 1
        delay = self._draw.uniform(0, self.path.jitter)
        if delay == 0:
            back.send(data, target)
            return

        def arrive() -> None:
            self._late.discard(timer)
            if not self._closed:
                back.send(data, target)

        timer = asyncio.get_running_loop().call_later(delay, arrive)
        self._late.add(timer)


class _Door(asyncio.DatagramProtocol):
    """The socket that stands for one true address: what comes to it goes there, and what leaves there comes from it."""

    def __init__(self, relay: Relay, stands_for: Address) -> None:
        self._relay = relay
        self._stands_for = stands_for
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where the other peer finds it."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # which Python 3.11's own is, but not by name

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.carry(data, addr[:2], self._stands_for)

    def send(self, data: bytes, target: Address) -> None:
        """Send as the one that this door stands for."""
        assert self._transport is not None
        self._transport.sendto(data, target)

    def close(self) -> None:
        """Let go of the socket."""
        if self._transport is not None:
            self._transport.close()


def _candidate(line: str) -> Address | None:
    words = line.split(" ")
    if not line.startswith(CANDIDATE) or len(words) < 8 or words[2].lower() != "udp" or words[7] != "host":
        return None
    return words[4], int(words[5])


def _candidates(sdp: str) -> list[Address]:
    return [address for line in sdp.split("\r\n") if (address := _candidate(line))]
