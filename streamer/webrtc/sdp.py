"""What we read in an offer's text and change in an answer's (SDP, RFC 8866)."""

import re

CAMERA_START_KBPS = 1500
CAMERA_MIN_KBPS = 150  # more would be too much for a thin uplink, and Chromium never goes below it


def advertised(sdp: str, address: str) -> str:
    """The answer with `address` in place of the local one in every host candidate (a 1:1 NAT in front of us)."""
    lines = []
    for line in sdp.split("\r\n"):
        words = line.split(" ")
        if line.startswith("a=candidate:") and len(words) > 7 and words[7] == "host":
            words[4] = address
        lines.append(" ".join(words))
    return "\r\n".join(lines)


def asking_for_quality(sdp: str) -> str:
    """The answer with a start and a least bitrate for what the other side sends us; Chromium heeds them.

    Chromium begins near 250 kbit/s and our estimate lets it grow by 8 % a second, so that a camera would be sent small
    and blurred for its first half minute. Congestion control goes on above the least bitrate.
    """
    hints = f"x-google-start-bitrate={CAMERA_START_KBPS};x-google-min-bitrate={CAMERA_MIN_KBPS}"
    lines = sdp.split("\r\n")
    video = {m[1] for line in lines if (m := re.match(r"a=rtpmap:(\d+) (?:VP8|H264)/90000$", line))}
    described = {m[1] for line in lines if (m := re.match(r"a=fmtp:(\d+) ", line))}
    asked = []
    for line in lines:
        fmtp, rtpmap = re.match(r"a=fmtp:(\d+) ", line), re.match(r"a=rtpmap:(\d+) ", line)
        asked.append(f"{line};{hints}" if fmtp and fmtp[1] in video else line)
        if rtpmap and rtpmap[1] in video - described:
            asked.append(f"a=fmtp:{rtpmap[1]} {hints}")
    return "\r\n".join(asked)


def bundles_what_it_lacks(sdp: str) -> bool:
    """Whether a BUNDLE group (RFC 9143) names a section that is not there."""
    sections = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    known = [s for s in sections if s.startswith(("m=audio ", "m=video ", "m=application "))]
    names = {name for section in known for name in re.findall(r"^a=mid:(\S+)", section, re.MULTILINE)[-1:]}
    groups = re.findall(r"^a=group:BUNDLE(.*)", sdp, re.MULTILINE)
    return any(not names.issuperset(group.split()) for group in groups)
