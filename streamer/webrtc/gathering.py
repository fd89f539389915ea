"""Where this process gathers its ICE candidates: on which addresses, and on which UDP ports."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aioice.ice

_stock_host_addresses = aioice.ice.get_host_addresses


def gather_on(addresses: Sequence[str]) -> None:
    """Gather ICE candidates on these local addresses only, for every peer connection of this process."""
    fixed = list(addresses)

    def host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [a for a in fixed if (use_ipv6 if ":" in a else use_ipv4)]

    aioice.ice.get_host_addresses = host_addresses


def default_addresses(loopback: bool) -> list[str]:
    """Where to gather when nothing is configured: every interface, and loopback for a server that is this machine's."""
    found = _stock_host_addresses(use_ipv4=True, use_ipv6=True)
    return ["127.0.0.1", *found] if loopback else found


def limit_udp_ports(loop: asyncio.AbstractEventLoop, low: int, high: int) -> None:
    """Bind ICE sockets of this loop to UDP ports low..high only (for a firewall's opening).

    aioice binds port 0; on this loop such a request takes the next free port of the range instead.
    """
    create: Any = loop.create_datagram_endpoint
    ports = list(range(low, high + 1))

    async def endpoint(*arguments: Any, local_addr: tuple[str, int] | None = None, **options: Any) -> Any:
        if local_addr is None or local_addr[1] != 0:
            return await create(*arguments, local_addr=local_addr, **options)
        for _ in ports:
            port = ports.pop(0)
            ports.append(port)  # round robin, so that a port just closed rests before it is used again
            try:
                return await create(*arguments, local_addr=(local_addr[0], port), **options)
            except OSError:
                continue
        raise OSError(f"no free UDP port from {low} to {high} on {local_addr[0]}")

    loop.create_datagram_endpoint = endpoint  # type: ignore[method-assign, assignment]
