"""`seekcam serve`: every setting of `streamer/config.py` as a flag; tells where to look, and why it runs as it does."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from seekcam.localization.library import ModelLibrary
from seekcam.streamer.config import ServerConfig, is_loopback, load_config

Texts = list[str] | None


def serve(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; ./seekcam.toml is read by itself.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one (8000).")] = None,
    model: Annotated[str | None, typer.Option(help="Name or .onnx file (efficientnet-lite0).")] = None,
    provider: Annotated[str | None, typer.Option(help="auto, cpu, cuda or tensorrt (auto).")] = None,
    source: Annotated[
        Texts,
        typer.Option(
            help="[NAME=]SPEC: a V4L2 device, a file (FILE?once to play it once), an RTSP or HTTP URL; repeat."
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(help="Secret that every request must bring.")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Let others in without a token.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate: cameras elsewhere need https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of the certificate.")] = None,
    ice_address: Annotated[Texts, typer.Option(help="Local address to offer for media (all); repeat.")] = None,
    ice_server: Annotated[
        Texts, typer.Option(help="stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT; repeat.")
    ] = None,
    ice_username: Annotated[str | None, typer.Option(help="User name for TURN.")] = None,
    ice_credential: Annotated[str | None, typer.Option(help="Password for TURN.")] = None,
    ice_secret: Annotated[str | None, typer.Option(help="Secret shared with a TURN server (use-auth-secret).")] = None,
    ice_ports: Annotated[str | None, typer.Option(help="UDP ports for media, LOW-HIGH.")] = None,
    advertise: Annotated[str | None, typer.Option(help="Public IP address of a server behind NAT.")] = None,
    codec: Annotated[str | None, typer.Option(help="Of the video sent back: auto, vp8 or h264 (auto).")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Peer connections at once (8).")] = None,
    max_body: Annotated[str | None, typer.Option(help="Largest upload (20MB).")] = None,
    max_pixels: Annotated[str | None, typer.Option(help="Largest picture, width x height (50M).")] = None,
    recordings: Annotated[Path | None, typer.Option(help="Folder of recordings (the user's data folder).")] = None,
    min_free_space: Annotated[str | None, typer.Option(help="Disk space that recordings leave free (1GB).")] = None,
    slow_ms: Annotated[float | None, typer.Option(help="Slow inference down, to try things out.", hidden=True)] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error (info).")] = None,
) -> None:
    """Show live localization in a browser. Each flag is also a SEEKCAM_* variable and a key of the TOML file."""
    flags = {name: value for name, value in context.params.items() if name != "config"}
    settings = load_config(flags, config)
    start_logging(settings.log_level)
    ModelLibrary().ensure(settings.model)

    # Imported late: `--help` and refused settings answer at once.
    from seekcam.streamer.hub import Hub
    from seekcam.streamer.server import serve as run

    def announce(hub: Hub, port: int) -> None:
        loaded = hub.models.engine.loaded()[hub.models.default]
        card = loaded.card
        lines = {
            "Open": "\n".join(addresses(settings, port)),
            "Model": f"{card.name}: {len(card.classes)} classes, {card.input_size} x {card.input_size} pixels",
            "Runs on": f"{loaded.provider} ({loaded.provider_reason})",
            "Sources": ", ".join(spec.name for spec in settings.source),
            "Recordings": str(settings.recordings),
            "Others": advice(settings, port),
            "Stop": "Ctrl-C",
        }
        show_block({name: line for name, line in lines.items() if line})

    asyncio.run(run(settings, announce))


def addresses(config: ServerConfig, port: int) -> list[str]:
    """Where to open the page: this machine's name first, then the addresses that others use."""
    everywhere = config.host in ("0.0.0.0", "::")
    hosts = [config.host]
    if everywhere:
        from aioice.ice import get_host_addresses

        hosts = ["localhost", *get_host_addresses(use_ipv4=True, use_ipv6=config.host == "::")]
    query = f"?token={quote(config.secret, safe='')}" if config.secret else ""
    return [f"{config.scheme}://{f'[{host}]' if ':' in host else host}:{port}/{query}" for host in hosts]


def advice(config: ServerConfig, port: int) -> str:
    """What to do for cameras on other machines, which browsers give to https pages (and to localhost) only."""
    if is_loopback(config.host):
        return "this machine only; for others add --host 0.0.0.0 --token SECRET --tls-cert FILE --tls-key FILE"
    if config.tls_cert is None:
        return (
            "browsers on other machines give their camera to https only: add --tls-cert FILE --tls-key FILE, "
            f"or go through a tunnel there: ssh -L {port}:localhost:{port} THIS-MACHINE"
        )
    if config.token is None:
        return "everyone who reaches this address may use it (--insecure); --token SECRET closes it"
    return "the address above works from other machines, with their cameras"


def show_block(lines: dict[str, str]) -> None:
    """Print names and values in two columns; addresses are never broken or coloured in parts."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, line in lines.items():
        table.add_row(f"  {name}", Text(line))
    console = Console(highlight=False)
    console.print()
    console.print(table)
    console.print()


def start_logging(level: str) -> None:
    """Log to stderr; other libraries' chatter shows at `debug` only."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
    logging.basicConfig(level=level.upper(), format="%(message)s", datefmt="%H:%M:%S", handlers=[handler], force=True)
    quiet = ("PIL", "asyncio") if level == "debug" else ("PIL", "asyncio", "aiortc", "aioice", "aiohttp", "libav")
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
