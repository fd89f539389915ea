"""Server settings: where a value may come from, which of them wins, and what a wrong one is told."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekcam.streamer.config import (
    ConfigError,
    ServerConfig,
    SourceSpec,
    is_loopback,
    load_config,
    parse_size,
    parse_source_spec,
)
from seekcam.streamer.webrtc.ice import LIFETIME, ice_servers


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ServerConfig.model_fields:
        monkeypatch.delenv(f"SEEKCAM_{name.upper()}", raising=False)
    monkeypatch.delenv("SEEKCAM_CONFIG", raising=False)


def refusal(flags: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(flags)
    return str(caught.value)


def test_the_defaults_listen_on_loopback_with_the_promised_limits() -> None:
    config = load_config({})
    assert (config.host, config.port, config.model, config.provider) == (
        "127.0.0.1",
        8000,
        "efficientnet-lite0",
        "auto",
    )
    assert config.max_sessions == 8
    assert config.max_body == 20_000_000
    assert config.max_pixels == 50_000_000
    assert config.token is None
    assert config.recordings.is_absolute()


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("seekcam.toml").write_text('port = 1001\nmax-sessions = 2\ncodec = "vp8"\n')
    monkeypatch.setenv("SEEKCAM_PORT", "1002")
    monkeypatch.setenv("SEEKCAM_MAX_SESSIONS", "3")
    config = load_config({"port": 1003})
    assert (config.port, config.max_sessions, config.codec, config.log_level) == (1003, 3, "vp8", "info")


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("seekcam.toml").write_text("port = 1001\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 1004\n")
    assert load_config({}, other).port == 1004
    monkeypatch.setenv("SEEKCAM_CONFIG", str(other))
    assert load_config({}).port == 1004


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("port = 70000", ["'port' in seekcam.toml", "65535"]),
        ("prot = 1", ["'prot'", "seekcam.toml", "did you mean 'port'"]),
        ("port = ", ["seekcam.toml", "no TOML"]),
    ],
)
def test_a_wrong_file_is_named(toml: str, words: list[str]) -> None:
    Path("seekcam.toml").write_text(toml)
    message = refusal({})
    assert all(word in message for word in words), message


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_config({}, Path("nowhere.toml"))


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEKCAM_PORT", "many")
    assert "SEEKCAM_PORT" in refusal({})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "many"}, ["--port", "integer"]),
        ({"provider": "npu"}, ["--provider", "cpu"]),
        ({"max_sessions": 0}, ["--max-sessions"]),
        ({"max_body": "20 parsecs"}, ["--max-body", "20MB"]),
        ({"ice_ports": "50100-50000"}, ["--ice-ports", "upwards"]),
        ({"ice_ports": "80-90"}, ["--ice-ports", "1024"]),
        ({"ice_ports": "50000"}, ["--ice-ports", "LOW-HIGH"]),
        ({"ice_address": ["10.0.0.1", "home"]}, ["--ice-address", "'home'"]),
        ({"ice_server": ["http://stun"]}, ["--ice-server", "stun:HOST:PORT"]),
        ({"advertise": "my.host"}, ["--advertise", "my.host"]),
        ({"tls_cert": "none.pem"}, ["--tls-cert", "none.pem"]),
        ({"source": ["missing.mp4"]}, ["--source", "missing.mp4"]),
        ({"source": ["a=/dev/video0", "a=/dev/video1"]}, ["--source", "two sources", "'a'"]),
        ({"host": "0.0.0.0"}, ["0.0.0.0", "--token", "--insecure"]),
        ({"host": "192.168.1.5"}, ["--token"]),
        ({"ice_server": ["turn:h:3478"]}, ["--ice-secret", "--ice-credential"]),
        ({"ice_secret": "s"}, ["--ice-server"]),
        ({"ice_server": ["turn:h"], "ice_credential": "c"}, ["--ice-username"]),
        ({"ice_server": ["turn:h"], "ice_credential": "c", "ice_secret": "s"}, ["--ice-credential"]),
    ],
)
def test_a_wrong_flag_is_one_sentence_that_names_it(flags: dict[str, object], words: list[str]) -> None:
    message = refusal(flags)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert message.endswith(".")


def test_a_certificate_needs_its_key() -> None:
    Path("cert.pem").write_text("x")
    message = refusal({"tls_cert": "cert.pem"})
    assert "--tls-cert" in message
    assert "--tls-key" in message


@pytest.mark.parametrize("flags", [{"token": "open-sesame"}, {"insecure": True}])
def test_others_are_let_in_with_a_token_or_on_purpose(flags: dict[str, object]) -> None:
    assert load_config({"host": "0.0.0.0", **flags}).host == "0.0.0.0"


def test_secrets_are_in_no_text_of_the_settings() -> None:
    config = load_config(
        {
            "token": "hush-token",
            "ice_server": ["turn:h"],
            "ice_secret": "hush-ice",
            "source": ["rtsp://me:hush-camera@10.0.0.9/live"],
        }
    )
    assert "hush" not in f"{config!r} {config} {config.model_dump_json(exclude={'source'})}"
    assert config.secret == "hush-token"
    assert "hush" not in refusal({"token": "hush", "port": "x"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/video2", SourceSpec("video2", "/dev/video2")),
        ("0", SourceSpec("video0", "0")),
        ("door=rtsp://u:p@10.0.0.9/live?x=1", SourceSpec("door", "rtsp://u:p@10.0.0.9/live?x=1")),
        ("http://cam.local/mjpg", SourceSpec("cam-local", "http://cam.local/mjpg")),
        ("my clip.mp4", SourceSpec("my-clip", "my clip.mp4")),
        ("my clip.mp4?once", SourceSpec("my-clip", "my clip.mp4", once=True)),
        ("a-b=my clip.mp4?loop", SourceSpec("a-b", "my clip.mp4")),
    ],
)
def test_sources(text: str, expected: SourceSpec) -> None:
    Path("my clip.mp4").touch()
    assert parse_source_spec(text) == expected


def test_lists_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEKCAM_ICE_ADDRESS", "127.0.0.1, ::1")
    monkeypatch.setenv("SEEKCAM_SOURCE", "a=/dev/video0,b=/dev/video1")
    config = load_config({})
    assert config.ice_address == ("127.0.0.1", "::1")
    assert [spec.name for spec in config.source] == ["a", "b"]


@given(
    number=st.integers(0, 10**6), unit=st.sampled_from([("k", 10**3), ("M", 10**6), ("GiB", 2**30), ("", 1), ("b", 1)])
)
@settings(deadline=None, max_examples=50)
def test_sizes(number: int, unit: tuple[str, int]) -> None:
    assert parse_size(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_no_ice_server_unless_configured() -> None:
    assert ice_servers(load_config({}), 0) == []


def test_fixed_turn_credentials_are_handed_on() -> None:
    urls = ["stun:s:3478", "turn:t:3478", "turns:t:5349"]
    config = load_config({"ice_server": urls, "ice_username": "u", "ice_credential": "c"})
    assert ice_servers(config, 0) == [
        {"urls": ["stun:s:3478"]},
        {"urls": ["turn:t:3478", "turns:t:5349"], "username": "u", "credential": "c"},
    ]


def test_time_limited_turn_credentials_are_what_the_draft_says() -> None:
    config = load_config({"ice_server": ["turn:t:3478"], "ice_secret": "north"})
    (server,) = ice_servers(config, 1_700_000_000.5)
    expiry, _, user = server["username"].partition(":")
    assert (int(expiry), user) == (1_700_000_000 + LIFETIME, "seekcam")
    expected = hmac.digest(b"north", server["username"].encode(), hashlib.sha1)
    assert base64.b64decode(server["credential"]) == expected
    assert "north" not in str(server)
