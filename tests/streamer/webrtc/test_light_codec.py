"""Which codec the page takes for a camera's stream that nobody sees, by what browsers say of their encoders."""

import pytest

from tests.helpers.node import run_module

ASK = """
const { lightCodec } = await import(`${web}/light_codec.js`);
const mediaCapabilities = {
  async encodingInfo({ type, video }) {
    if (type !== "webrtc" || input === null) throw new TypeError("not of this kind");
    const { width, height, bitrate, framerate, contentType } = video;
    if (![width, height, bitrate, framerate].every((value) => value > 0)) throw new TypeError("incomplete");
    return input[contentType] ?? { supported: false, smooth: false, powerEfficient: false };
  },
};
Object.defineProperty(globalThis, "navigator", { value: { mediaCapabilities }, configurable: true });
tell(await lightCodec());
"""
PROCESSOR = {"supported": True, "smooth": True, "powerEfficient": False}
CHIP = PROCESSOR | {"powerEfficient": True}


@pytest.mark.parametrize(
    ("h264", "vp8", "light"),
    [
        (PROCESSOR, PROCESSOR, "video/H264"),
        (CHIP, PROCESSOR, None),
        (PROCESSOR, CHIP, None),
        (PROCESSOR | {"smooth": False}, PROCESSOR, None),
        (PROCESSOR | {"smooth": False}, PROCESSOR | {"smooth": False}, "video/H264"),
        (PROCESSOR | {"supported": False}, PROCESSOR, None),
    ],
)
def test_h264_where_only_the_processor_encodes(h264: object, vp8: object, light: str | None) -> None:
    assert run_module(ASK, {"video/H264": h264, "video/VP8": vp8}) == light


def test_a_browser_that_cannot_be_asked_chooses_itself() -> None:
    assert run_module(ASK, None) is None
