"""What classes are called: from WordNet lists beside the data where there are any, else from their folders."""

import re
from collections.abc import Sequence
from pathlib import Path

from seekcam.datasets.files import text_lines

_WORD_FILES = ("synset_words.txt", "LOC_synset_mapping.txt", "words.txt")
_WORDNET_LINE = re.compile(r"(n\d{8})\s+(.+)")
_NUMBERED = re.compile(r"\d+\.(?=\D)")  # CUB-200-2011 numbers its folders


def wordnet_names(folder: Path) -> dict[str, str]:
    """WordNet ids to the first of their names, in the order of the file; nothing where `folder` has no such file."""
    for name in _WORD_FILES:
        if (folder / name).is_file():
            matches = [_WORDNET_LINE.fullmatch(line) for _, line in text_lines(folder / name)]
            return {match[1]: match[2].split(",")[0].strip() for match in matches if match}
    return {}


def class_names(class_ids: Sequence[str], folder: Path) -> tuple[str, ...]:
    """A name for every class id: "001.Black_footed_Albatross" is "Black footed Albatross".

    Ids that would share a name keep their own, except WordNet's, where two synsets are called "crane".
    """
    words = wordnet_names(folder)
    if words and all(class_id in words for class_id in class_ids):
        return tuple(words[class_id] for class_id in class_ids)
    names = tuple(_NUMBERED.sub("", class_id).replace("_", " ").strip() for class_id in class_ids)
    return names if len(set(names)) == len(names) and all(names) else tuple(class_ids)
