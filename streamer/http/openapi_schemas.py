"""The shapes of the HTTP interface as JSON Schema (2020-12), for the OpenAPI document: Contracts 3 and 4 in data."""

from typing import Any

from seekcam.localization.card import MAP_KINDS, METHODS
from seekcam.localization.settings import BOX_MAKERS, COLORMAPS, MAX_TOP_K
from seekcam.streamer.viewers.outputs import MODES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
FLAG: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    """A pointer to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema, **limits: int) -> Schema:
    """An array of `items`."""
    return {"type": "array", "items": items, **limits}


def choice(*options: str) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(options)}


def optional(schema: Schema) -> Schema:
    """`schema`, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def exactly(properties: dict[str, Schema], optional_names: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and no others, all of them required but for `optional_names`."""
    required = [name for name in properties if name not in optional_names]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


CLASSES: Schema = {
    "description": '"top" follows the best class; otherwise names, ids or indices of classes.',
    "oneOf": [TEXT, WHOLE, listed({"oneOf": [TEXT, WHOLE]}, maxItems=MAX_TOP_K)],
}
COMPARE: Schema = {
    "description": "A second model, method or map beside the first: MODEL:METHOD:MAP or some of it, or an object.",
    "oneOf": [
        TEXT,
        exactly(
            {"model": optional(TEXT), "method": optional(TEXT), "map": optional(choice(*MAP_KINDS))},
            ("model", "method", "map"),
        ),
    ],
}
THRESHOLD: Schema = {"oneOf": [SHARE, choice("otsu", "card")]}

SETTINGS: dict[str, Schema] = {
    "model": optional(TEXT),
    "classes": CLASSES,
    "top_k": {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K},
    "method": optional({"type": "string", "examples": list(METHODS)}),
    "map": optional(choice(*MAP_KINDS)),
    "box": choice(*BOX_MAKERS),
    "threshold": optional(THRESHOLD),
    "min_score": optional(SHARE),
    "compare": optional(COMPARE),
    "opacity": SHARE,
    "colormap": choice(*COLORMAPS),
    "boxes": FLAG,
    "labels": FLAG,
    "mirror": FLAG,
}
PAINT = ("opacity", "colormap", "boxes", "labels", "mirror")
ANALYSIS = tuple(name for name in SETTINGS if name not in PAINT)

_RANKED = exactly({"class": WHOLE, "name": TEXT, "score": SHARE})
_BOX = exactly({"class": WHOLE, "score": SHARE, "box": listed(SHARE, minItems=4, maxItems=4)})
_SIDE: dict[str, Schema] = {
    "model": TEXT,
    "method": TEXT,
    "map": choice(*MAP_KINDS),
    "shown": {**listed(WHOLE), "description": 'The classes that are mapped; none is the answer "not sure".'},
    "top": listed(_RANKED, maxItems=MAX_TOP_K),
    "boxes": listed(_BOX),
    "ms": {"type": "object", "additionalProperties": NUMBER, "description": "Milliseconds by stage."},
}
_PREDICTION: dict[str, Schema] = {
    "pts": {**NUMBER, "description": "Seconds; 0 for a picture."},
    "frame": WHOLE,
    **_SIDE,
    "compare": {
        **exactly(_SIDE),
        "description": "What the second side says, where two are compared.",
    },
}
_MODEL: dict[str, Schema] = {
    "name": TEXT,
    "input_size": WHOLE,
    "methods": listed(TEXT, minItems=1),
    "default_method": TEXT,
    "maps": {**listed(choice(*MAP_KINDS), minItems=1), "description": "Kinds of map, the default first."},
    "precision": TEXT,
    "dataset": TEXT,
    "licence": TEXT,
    "min_score": SHARE,
    "provider": {**optional(choice("cpu", "cuda", "tensorrt")), "description": "null until the model is loaded."},
}

SCHEMAS: dict[str, Schema] = {
    "Error": exactly(
        {
            "error": {**TEXT, "description": "A fixed word for programs."},
            "detail": {**TEXT, "description": "A sentence for people: what was wrong and what to do."},
        }
    ),
    "Status": exactly({"status": choice("alive", "ready", "not ready")}),
    "IceServer": exactly(
        {"urls": listed(TEXT, minItems=1), "username": TEXT, "credential": TEXT}, ("username", "credential")
    ),
    "Config": exactly(
        {
            "version": TEXT,
            "default_model": TEXT,
            "ice_servers": listed(ref("IceServer")),
            "max_sessions": WHOLE,
            "recordings": FLAG,
            "modes": listed(choice(*MODES), minItems=1),
            "box_makers": listed(TEXT),
            "colormaps": {
                "type": "object",
                "description": "By name: 256 RGB colours of 3 bytes each, in base64.",
                "additionalProperties": TEXT,
            },
            "map_kinds": listed(TEXT),
            "limits": exactly({"body_bytes": WHOLE, "picture_pixels": WHOLE}),
        }
    ),
    "ModelSummary": exactly({**_MODEL, "default": FLAG, "loaded": FLAG, "classes": WHOLE}),
    "ModelCard": exactly(
        {
            **_MODEL,
            "provider_reason": optional(TEXT),
            "classes": listed(TEXT, minItems=1),
            "class_ids": listed(TEXT, minItems=1),
            "map_size": WHOLE,
            "spread_size": WHOLE,
            "features": WHOLE,
            "mapped": WHOLE,
            "threshold": SHARE,
            "threshold_split": TEXT,
            "resize": TEXT,
            "network": TEXT,
            "recipe": FREE,
            "recipe_hash": TEXT,
            "metrics": FREE,
            "objectness": {**FREE, "description": "The objectness head's cut and origin; empty: there is none."},
            "cut": SHARE,
            "source": TEXT,
            "versions": {"type": "object", "additionalProperties": TEXT},
            "revision": TEXT,
            "schema": WHOLE,
        }
    ),
    "PicturePrediction": exactly(
        {
            **_PREDICTION,
            "width": WHOLE,
            "height": WHOLE,
            "truncated": {**FLAG, "description": "Boxes, or the end of a ranking, were left out."},
        },
        ("truncated", "compare"),
    ),
    "Settings": {**exactly(SETTINGS, tuple(SETTINGS)), "description": "Names that are left out keep their values."},
    "SessionOffer": exactly(
        {
            "sdp": TEXT,
            "type": choice("offer"),
            "mode": choice(*MODES),
            "stream": {**TEXT, "description": "The stream to watch; without it the offer brings a camera."},
            "settings": ref("Settings"),
        },
        ("mode", "stream", "settings"),
    ),
    "SessionAnswer": exactly({"id": TEXT, "stream": TEXT, "sdp": TEXT, "type": choice("answer")}),
    "Stream": exactly(
        {
            "id": TEXT,
            "source": choice("camera", "whip", "file", "device", "url"),
            "name": TEXT,
            "state": TEXT,
            "detail": TEXT,
            "viewers": WHOLE,
            "settings": exactly({name: SETTINGS[name] for name in ANALYSIS}),
            "width": WHOLE,
            "height": WHOLE,
            "fps": NUMBER,
            "frames": exactly({"received": WHOLE, "processed": WHOLE, "dropped": WHOLE}),
            "recording": optional(TEXT),
        }
    ),
    "Recording": exactly(
        {
            "id": {**TEXT, "pattern": r"^\d{8}-\d{6}-[0-9a-f]{4}$"},
            "title": TEXT,
            "started": {**TEXT, "format": "date-time"},
            "duration": {**NUMBER, "description": "Seconds."},
            "frames": WHOLE,
            "bytes": WHOLE,
            "width": WHOLE,
            "height": WHOLE,
            "dropped": WHOLE,
            "complete": FLAG,
            "ended": {**optional(TEXT), "description": "Why it ended by itself."},
            "video": {**optional(TEXT), "description": "null: stopped before its first frame, nothing is kept."},
            "sidecar": optional(TEXT),
        }
    ),
}
