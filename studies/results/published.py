"""The numbers of the papers, for orientation beside ours: other data, other networks, so not to be compared with them.

Sources: Singh & Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action
Localization", ICCV 2017 (ILSVRC 2012 validation); "Improved Techniques for the Weakly-Supervised Object Localization"
(Tiny ImageNet, batch 256), which calls the methods CAM, HnS and GR.
"""

from seekcam.studies.results.markdown import markdown_table

HEADINGS = ("method", "GT-known Loc", "Top-1 Loc", "Top-1 Clas")

# Title of a table -> (method, GT-known Loc, Top-1 Loc, Top-1 Clas) in percent; None where the paper gives no number.
PUBLISHED: dict[str, tuple[tuple[str, float, float, float | None], ...]] = {
    "AlexNet-GAP on ILSVRC, Singh & Lee 2017": (
        ("plain", 54.90, 36.25, 60.23),
        ("Hide-and-Seek 16", 57.86, 36.77, 57.97),
        ("Hide-and-Seek 32", 58.75, 37.33, 57.94),
        ("Hide-and-Seek 44", 58.55, 37.54, 58.10),
        ("Hide-and-Seek 56", 58.43, 37.34, 58.13),
        ("Hide-and-Seek mixed", 58.68, 37.65, 58.68),
        ("input dropout, in training only", 42.17, 7.65, None),
        ("input dropout, in training and at test", 53.48, 31.68, None),
    ),
    "GoogLeNet-GAP on ILSVRC, Singh & Lee 2017": (
        ("plain", 58.41, 43.60, 71.95),
        ("Hide-and-Seek 16", 59.83, 44.62, 70.49),
        ("Hide-and-Seek 32", 60.29, 45.21, 70.70),
        ("Hide-and-Seek 44", 60.11, 44.75, 70.34),
        ("Hide-and-Seek 56", 59.93, 44.78, 70.37),
    ),
    "pre-activation ResNet-34 on Tiny ImageNet, the GR paper": (
        ("plain", 53.46, 27.50, 44.54),
        ("Hide-and-Seek", 54.30, 29.72, 46.67),
        ("GR", 57.82, 36.00, 54.13),
        ("Hide-and-Seek after GR", 57.49, 33.93, 51.28),
        ("GR after Hide-and-Seek", 57.43, 33.45, 50.45),
    ),
}


def published_tables() -> str:
    """The papers' tables as Markdown, labelled as theirs."""
    parts = ["Published by others with other networks, data and schedules; none of it was measured here.\n"]
    for title, lines in PUBLISHED.items():
        cells = [[line[0], *("" if value is None else f"{value:.2f}" for value in line[1:])] for line in lines]
        parts.append(f"{title}:\n\n{markdown_table(HEADINGS, cells)}")
    return "\n".join(parts)
