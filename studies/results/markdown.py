"""Tables and numbers as Markdown."""

from collections.abc import Sequence

from seekcam.evaluation.paired import Difference, Spread


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [headings, rule, *lines])


def bullets(lines: Sequence[str]) -> str:
    """One point for each line."""
    return "".join(f"- {line}\n" for line in lines)


def signed(points: float) -> str:
    """`+1.2` or `−0.4`, with a true minus."""
    return f"{round(points, 1) + 0.0:+.1f}".replace("-", "−")  # + 0.0: no negative zero


def with_spread(value: Spread | None) -> str:
    """`71.3`, or `71.3 ± 0.4` over seeds."""
    if value is None:
        return ""
    return f"{value.mean:.1f}" + ("" if value.deviation is None else f" ± {value.deviation:.1f}")


def with_error(value: Difference) -> str:
    """`+1.2 ± 0.9`, in bold when it is beyond noise."""
    text = f"{signed(value.mean)} ± {value.error:.1f}"
    return f"**{text}**" if value.beyond_noise else text
