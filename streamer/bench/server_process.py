"""A server of our own in a child process, for measuring from outside; it listens on 127.0.0.1 only."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from seekcam.localization.errors import UserError
from seekcam.localization.library import FOLDER_VARIABLE

START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0
_ROOT = Path(__file__).absolute().parents[3]  # where the package lies; not resolved, as its rooms are links in a clone
_SERVE = ("-m", "seekcam", "serve")


class BenchError(UserError):
    """The measurement could not be made."""

    code = "bench-failed"
    exit_code = 1


class ServerProcess:
    """Where the server is, and how much processor time it has used."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    def cpu_seconds(self) -> float | None:
        """User and system time of the process so far; None where there is no /proc."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return None
        after_name = stat.rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)


@asynccontextmanager
async def running_server(settings: Mapping[str, str], program: Sequence[str] = _SERVE) -> AsyncIterator[ServerProcess]:
    """Start `seekcam serve` with `settings` (names without SEEKCAM_), wait until it is ready, stop it at the end.

    Args:
        program: what Python is to run instead: a server that is watched from inside.

    Raises:
        BenchError: it did not become ready.
    """
    with TemporaryDirectory(prefix="seekcam-bench-") as folder:
        port = _free_port()
        # This machine's own settings (a token, sources) have no part in the measurement.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEEKCAM_") or k == FOLDER_VARIABLE}
        own = {"host": "127.0.0.1", "port": str(port), "ice_address": "127.0.0.1", "recordings": folder, **settings}
        environment = inherited | {f"SEEKCAM_{name.upper()}": value for name, value in own.items()}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), inherited.get("PYTHONPATH")]))
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *program,
                cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_ready(process, url, log)
            yield ServerProcess(process, url)
        finally:
            await _stop(process)


async def _until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(START_LIMIT_S), aiohttp.ClientSession() as client:
            while process.returncode is None:
                try:
                    async with client.get(f"{url}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass  # it does not listen yet
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise BenchError(f"The server was not ready after {START_LIMIT_S:g} s; it said: {_last_words(log)}") from None
    raise BenchError(f"The server did not start; it said: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing."


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
