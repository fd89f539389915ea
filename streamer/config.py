"""Server settings in one place: each is a flag of `seekcam serve`, a `SEEKCAM_*` variable and a key of a TOML file.

Precedence: flag > environment > TOML (`--config FILE`, `SEEKCAM_CONFIG`, or ./seekcam.toml) > default. A wrong value
is refused with one sentence that names the setting and where it came from; secrets are never part of it.
"""

import difflib
import ipaddress
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from seekcam.localization.errors import UserError

ENV_PREFIX = "SEEKCAM_"
CONFIG_FILE = "seekcam.toml"  # read from the working directory when no other is named
LOOPBACK_NAMES = ("localhost", "ip6-localhost")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


class ConfigError(UserError):
    """A server setting that cannot be used."""

    code = "bad-config"


@dataclass(frozen=True)
class SourceSpec:
    """A server-side source: `spec` is a device, a file or a URL; it may hold a password and is never printed."""

    name: str  # letters, digits, "_", "-": it becomes the stream's name
    spec: str = field(repr=False)
    once: bool = False  # a file that ends instead of starting over


def parse_source_spec(text: str) -> SourceSpec:
    """Read `NAME=SPEC` or `SPEC`, where a file may end in `?once` (or `?loop`, the default).

    Raises:
        ValueError: an empty spec, or a file that is not there.
    """
    named = re.match(r"([A-Za-z0-9][\w-]*)=(.+)", text, re.ASCII | re.DOTALL)
    name, spec = (named[1], named[2]) if named else ("", text)
    if not spec.strip():
        raise ValueError("a source is a device, a file or a URL, and this one is empty")
    if "://" in spec:
        return SourceSpec(name or _slug(urlsplit(spec).hostname or "url"), spec)
    path, _, option = spec.rpartition("?") if spec.endswith(("?once", "?loop")) else (spec, "", "loop")
    if path.isdecimal():
        return SourceSpec(name or f"video{path}", path)
    # A device may be plugged in later; a file that is missing now is a typing mistake.
    if not path.startswith("/dev/") and not Path(path).is_file():
        raise ValueError(f"there is no file {path!r}")
    return SourceSpec(name or _slug(Path(path).stem), path, once=option == "once")


def parse_size(value: object) -> object:
    """A count with a unit: `20MB`, `1.5GiB`, `50M`; plain numbers pass through.

    Raises:
        ValueError: a unit that is none of K, M, G, T, Ki, Mi, Gi, Ti (with or without B).
    """
    if not isinstance(value, str):
        return value
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?\s*", value, re.IGNORECASE)
    if parts is None:
        raise ValueError("a size is a number with a unit such as 20MB, 512KiB or 1GB")
    return int(float(parts[1]) * _UNITS[parts[2].lower()])


def parse_ports(value: object) -> object:
    """`LOW-HIGH` as a pair of ports.

    Raises:
        ValueError: not a range of ports from 1024 to 65535.
    """
    if value is None:
        return None
    ends = value if isinstance(value, tuple | list) else str(value).split("-")
    try:
        low, high = (int(end) for end in ends)
    except (TypeError, ValueError):
        raise ValueError("a port range is written LOW-HIGH, such as 50000-50100") from None
    if not 1024 <= low <= high <= 65535:
        raise ValueError("a port range goes upwards and stays within 1024-65535")
    return low, high


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "source"


def _listed(value: object) -> object:
    """Environment variables hold lists as comma-separated text."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _sources(value: object) -> object:
    items = _listed(value)
    if not isinstance(items, list | tuple):
        return items
    specs = [parse_source_spec(item) if isinstance(item, str) else item for item in items]
    names = [spec.name for spec in specs if isinstance(spec, SourceSpec)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two sources are called {twice!r}: name them, as in {twice}-2=SPEC")
    return specs


def _ip(value: object) -> object:
    if isinstance(value, str):
        ipaddress.ip_address(value)  # its ValueError says what is wrong
    return value


def _ice_url(value: object) -> object:
    if isinstance(value, str) and not re.match(r"(stuns?|turns?):[^/\s]+$", value):
        raise ValueError("an ICE server is written stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT")
    return value


def _readable(value: object) -> object:
    if value is None:
        return None
    path = Path(str(value)).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{str(path)!r} cannot be read: give this user the right to read it")
    return path


def _home(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Count = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Addresses = Annotated[tuple[Annotated[str, BeforeValidator(_ip)], ...], NoDecode, BeforeValidator(_listed)]
IceUrls = Annotated[tuple[Annotated[str, BeforeValidator(_ice_url)], ...], NoDecode, BeforeValidator(_listed)]
ReadableFile = Annotated[Path, BeforeValidator(_readable)]
Secret = Annotated[SecretStr, Field(min_length=1)]


class ServerConfig(BaseSettings):
    """Everything `seekcam serve` can be told; the field's name is the flag's, with "_" for "-"."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000  # 0 takes any free port
    model: Annotated[str, Field(min_length=1)] = "efficientnet-lite0"
    provider: Annotated[Literal["auto", "cpu", "cuda", "tensorrt"], BeforeValidator(_lower)] = "auto"
    source: Annotated[tuple[SourceSpec, ...], NoDecode, BeforeValidator(_sources)] = ()

    token: Secret | None = None
    insecure: bool = False  # reachable by others without a token
    tls_cert: ReadableFile | None = None
    tls_key: ReadableFile | None = None

    ice_address: Addresses = ()  # local addresses to offer; empty offers those of every interface
    ice_server: IceUrls = ()  # used by the server and handed to the page
    ice_username: str | None = None
    ice_credential: Secret | None = None
    ice_secret: Secret | None = None  # shared with a TURN server that takes time-limited credentials
    ice_ports: Annotated[tuple[int, int] | None, NoDecode, BeforeValidator(parse_ports)] = None
    advertise: Annotated[str, BeforeValidator(_ip)] | None = None  # public address of a server behind NAT
    codec: Annotated[Literal["auto", "vp8", "h264"], BeforeValidator(_lower)] = "auto"  # of the video sent back

    max_sessions: Annotated[int, Field(ge=1, le=1000)] = 8  # each takes some 60 % of a core at 640x480, 30 fps
    max_body: Annotated[Count, Field(ge=1024)] = 20 * 10**6  # bytes of one upload
    max_pixels: Annotated[Count, Field(ge=1)] = 50 * 10**6  # width x height of one picture
    recordings: Annotated[Path, BeforeValidator(_home)] = Field(
        default_factory=lambda: user_data_path("seekcam") / "recordings"
    )
    min_free_space: Count = 10**9  # bytes that recording leaves free on the disk
    slow_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0  # added to every frame's inference, to test scheduling
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        if not is_loopback(self.host) and self.token is None and not self.insecure:
            raise ValueError(
                f"Listening on {self.host} lets other machines in: add `--token {secrets.token_hex(8)}` (or any secret "
                "of yours), or `--insecure` if everyone who reaches it may use it"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            have, lack = ("--tls-cert", "--tls-key") if self.tls_cert else ("--tls-key", "--tls-cert")
            raise ValueError(f"{have} needs {lack} beside it: TLS takes a certificate and its key")
        if self.ice_secret and self.ice_credential:
            raise ValueError("--ice-secret makes a credential for each session, so leave out --ice-credential")
        if self.ice_credential and not self.ice_username:
            raise ValueError("--ice-credential needs --ice-username beside it")
        has_turn = any(url.startswith("turn") for url in self.ice_server)
        if has_turn and not (self.ice_secret or self.ice_credential):
            raise ValueError("A TURN server wants --ice-username with --ice-credential, or --ice-secret")
        if (self.ice_secret or self.ice_credential) and not has_turn:
            raise ValueError("ICE credentials are for TURN servers: name one with --ice-server turn:HOST:PORT")
        return self

    @property
    def secret(self) -> str | None:
        """The token in the clear, for comparing only."""
        return self.token.get_secret_value() if self.token else None

    @property
    def scheme(self) -> str:
        """`https` when there is a certificate."""
        return "https" if self.tls_cert else "http"


def load_config(flags: Mapping[str, object], file: Path | None = None) -> ServerConfig:
    """The settings from `flags` (None: not given), the environment and a TOML file.

    Raises:
        ConfigError: an unknown setting, a wrong value, or a file that cannot be read.
    """
    given = {name: value for name, value in flags.items() if value is not None and value not in ([], ())}
    file = file or (Path(named) if (named := os.environ.get(f"{ENV_PREFIX}CONFIG")) else None)
    from_file = _read_toml(file or Path(CONFIG_FILE)) if file or Path(CONFIG_FILE).is_file() else {}

    class Loaded(ServerConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=from_file)

    try:
        return Loaded(**given)  # type: ignore[arg-type]  # checked by pydantic, which is the point of it
    except ValidationError as error:
        raise ConfigError(_sentence(error, given, file or Path(CONFIG_FILE))) from None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {file} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The settings file {file} is no TOML: {error}.") from error
    return {key.replace("-", "_"): value for key, value in table.items()}


def _sentence(error: ValidationError, flags: Mapping[str, object], file: Path) -> str:
    """The first complaint in words, with the place where the value came from."""
    first = error.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    why = str(cause) if cause else first["msg"].replace("Input should be", "it should be")
    if not first["loc"]:
        return f"{why}."
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, ServerConfig.model_fields, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"There is no setting {name!r} in {'the flags' if name in flags else file}{hint}."
    if name in flags:
        place = f"--{name.replace('_', '-')}"
    elif os.environ.get(variable := f"{ENV_PREFIX}{name.upper()}"):
        place = f"The environment variable {variable}"
    else:
        place = f"{name!r} in {file}"
    return f"{place} cannot be used: {why}."
