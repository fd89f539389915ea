/**
 * The shapes that travel between page and server (docs/architecture.md, contracts 2 to 4), and nothing else.
 *
 * @typedef {number | string} ClassRef an index, a name or an id of the card's
 *
 * @typedef {object} Comparison the second side: null leaves the model to the first side, the method to the model's
 *   card, and the map to the setting `map`
 * @property {string | null} model
 * @property {string | null} method
 * @property {MapKind | null} [map] missing is null
 *
 * @typedef {"objectness" | "spread" | "plain" | "foreground"} MapKind
 *
 * @typedef {object} Settings everything a person can set; the same names as in localization/settings.py
 * @property {string | null} model null leaves it to the server
 * @property {"top" | ClassRef[]} classes
 * @property {number} top_k
 * @property {string | null} method null leaves it to the model's card
 * @property {MapKind | null} map null leaves it to the model's card
 * @property {"largest" | "components" | "two_stage" | "none"} box
 * @property {number | "otsu" | "card" | null} threshold null: the map's own
 * @property {number | null} min_score
 * @property {Comparison | null} compare a second model or method on the same frames
 * @property {number} opacity
 * @property {string} colormap
 * @property {boolean} boxes
 * @property {boolean} labels
 * @property {boolean} mirror
 *
 * @typedef {"video" | "overlay"} Mode how a session's answer comes back
 *
 * @typedef {object} Config
 * @property {string} version
 * @property {string} default_model
 * @property {RTCIceServer[]} ice_servers
 * @property {boolean} recordings
 * @property {Record<string, string>} colormaps 256 RGB colours each, in base64
 * @property {{ body_bytes: number, picture_pixels: number }} limits
 *
 * @typedef {object} ModelSummary
 * @property {string} name
 * @property {boolean} default
 * @property {boolean} loaded
 * @property {number | null} classes
 * @property {string} [dataset]
 * @property {string} [precision]
 *
 * @typedef {object} Card the parts of a model's card that the page reads
 * @property {string} name
 * @property {string[]} classes
 * @property {string[]} class_ids stable ids of the classes, in the same order
 * @property {number} input_size pixels
 * @property {string} network
 * @property {string} dataset
 * @property {Record<string, unknown>} recipe every value of the training run; empty where it was not ours
 * @property {string} recipe_hash
 * @property {Record<string, unknown>} metrics as measured by whoever trained it
 * @property {string} precision
 * @property {string} source where the weights come from
 * @property {string} licence
 * @property {Record<string, unknown>} objectness the objectness head's constants and origin; empty: there is none
 * @property {string} threshold_split the pictures that the threshold was chosen on
 * @property {number} mapped how many classes one run maps at most
 * @property {string[]} methods
 * @property {string} default_method
 * @property {MapKind[]} maps the kinds that the file can make, its default first
 * @property {number} cut the constant threshold of the objectness map
 * @property {number} threshold
 * @property {number} min_score
 * @property {string | null} provider "cpu", "cuda" or "tensorrt" once the model is loaded
 * @property {string | null} provider_reason
 *
 * @typedef {object} StreamSummary
 * @property {string} id
 * @property {string} source camera, whip, file, device or url
 * @property {string} name
 * @property {string} state
 * @property {number} viewers
 * @property {string | null} recording the id of the recording that is being made
 *
 * @typedef {object} Recording
 * @property {string} id
 * @property {string} title
 * @property {string} started ISO 8601
 * @property {number} duration seconds
 * @property {number} frames
 * @property {number} bytes
 * @property {boolean} complete
 * @property {string | null} ended why it ended by itself
 * @property {string | null} video null when it has no frame
 * @property {string | null} sidecar
 *
 * @typedef {{ class: number, name: string, score: number }} Ranked
 * @typedef {{ class: number, score: number, box: [number, number, number, number] }} Box
 * @typedef {Record<string, number>} Stages milliseconds by stage
 *
 * @typedef {object} Seen what one model says of a frame
 * @property {string} model
 * @property {string} method
 * @property {MapKind} map
 * @property {number[]} shown the classes that are mapped; empty is the answer "not sure"
 * @property {Ranked[]} top
 * @property {Box[]} boxes
 * @property {Stages} ms
 *
 * @typedef {Seen & { pts: number, frame: number, compare?: Seen }} Result one frame's meaning, `pts` in seconds; with
 *   `compare` where two sides are compared
 *
 * @typedef {object} State the server's truth about a stream, and this viewer's paint
 * @property {"state"} type
 * @property {string} stream
 * @property {Mode} mode
 * @property {Settings} settings
 * @property {string | null} recording
 * @property {number} viewers
 * @property {string} source
 * @property {number | null} reply
 *
 * @typedef {object} Stats the last second of a stream
 * @property {"stats"} type
 * @property {number} fps
 * @property {number} received
 * @property {number} processed
 * @property {number} dropped
 * @property {Stages} ms medians
 *
 * @typedef {{ type: "error", error: string, detail: string, reply: number | null }} Refusal
 * @typedef {{ type: "pong", t: number, server: number }} Pong
 * @typedef {{ type: "bye", detail: string }} Bye
 * @typedef {State | Stats | Refusal | Pong | Bye} ServerMessage
 */
export {};
