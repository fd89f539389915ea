/**
 * What the overlay is painted from; values only.
 *
 * @typedef {object} Grid where one class is, as the server found it
 * @property {number} class
 * @property {number} score softmax probability of the class
 * @property {number} threshold 0 to 1, what bounds its box
 * @property {number} rows
 * @property {number} columns
 * @property {Uint8Array} values row by row, 0 to 255 for 0 to 1
 *
 * @typedef {object} Mark a shown class: its plate, and its boxes
 * @property {string} name
 * @property {number} score
 * @property {number} place its place among the shown classes, which decides its colour
 * @property {Array<[number, number, number, number]>} boxes x0, y0, x1, y1 in parts of the picture; none where it has no box
 *
 * @typedef {object} Pane what lies over the picture, once; twice next to each other where two sides are compared
 * @property {Grid[]} grids of the shown classes; none is the answer "not sure"
 * @property {Mark[]} marks in the order of the grids
 * @property {string} caption who says it; empty where there is one pane only
 * @property {number} strength 1 for a fresh map, down to 0 for one that is too old to be shown
 *
 * @typedef {object} Look how it is painted; each of them costs the server nothing
 * @property {number} opacity 0 to 1
 * @property {string} colormap
 * @property {boolean} boxes
 * @property {boolean} labels
 * @property {boolean} mirror
 * @property {boolean} line draw where the map crosses its threshold
 */
export {};
