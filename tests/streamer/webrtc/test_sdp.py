"""What is read in an offer's text and changed in an answer's."""

import pytest

from seekcam.streamer.webrtc import sdp


def test_the_advertised_address_replaces_host_candidates_only() -> None:
    host = "a=candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"
    relay = "a=candidate:2 1 udp 1 203.0.113.9 3478 typ relay raddr 192.168.1.7 rport 50000"
    text = "\r\n".join(["v=0", host, relay, ""])
    assert sdp.advertised(text, "198.51.100.4") == "\r\n".join(
        ["v=0", host.replace("192.168.1.7", "198.51.100.4"), relay, ""]
    )


def test_the_answer_asks_for_a_useful_picture_of_every_video_codec_and_of_nothing_else() -> None:
    hints = f"x-google-start-bitrate={sdp.CAMERA_START_KBPS};x-google-min-bitrate={sdp.CAMERA_MIN_KBPS}"
    text = [
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:98 H264/90000",
        "a=fmtp:98 packetization-mode=1",
        "",
    ]
    asked = [*text[:3], f"a=fmtp:96 {hints}", *text[3:6], f"{text[6]};{hints}", ""]
    assert sdp.asking_for_quality("\r\n".join(text)).split("\r\n") == asked


@pytest.mark.parametrize(
    ("group", "lacks"), [("BUNDLE 0 1", False), ("BUNDLE", False), ("BUNDLE 0 7", True), ("BUNDLE 9", True)]
)
def test_a_bundle_names_only_sections_that_are_known(group: str, lacks: bool) -> None:
    """A section of a kind that aiortc does not know (mid 9) is as good as none."""
    sections = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "m=application 9 UDP/DTLS/SCTP 5000", "a=mid:1"]
    text = "\r\n".join(["v=0", f"a=group:{group}", *sections, "m=text 9 RTP/AVP 98", "a=mid:9", ""])
    assert sdp.bundles_what_it_lacks(text) is lacks
