"""The camera's frames, one by one: the page's own module with a camera that the test plays."""

from tests.helpers.node import run_module

# Two cameras: frames of the first come while its first one is still being kept, and then the second one is followed.
PLAY = """
const cameras = new Map();
globalThis.reportError = (error) => notes.push(`reported ${error.message}`);
globalThis.MediaStreamTrackProcessor = class {
  constructor({ track }) {
    this.readable = new ReadableStream({ start: (controller) => cameras.set(track, controller) });
  }
};
const { CameraFrames } = await import(`${web}/overlay/camera_frames.js`);
const notes = [];
const frame = (name) => ({ name, timestamp: performance.now() * 1000, close: () => notes.push(`close ${name}`) });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let keeping = 0;
const frames = new CameraFrames("first", async ({ name }) => {
  notes.push(`take ${name}${keeping > 0 ? " beside another" : ""}`);
  keeping += 1;
  await pause(30);
  keeping -= 1;
  if (name === "bad") throw new Error("cannot be painted");
  notes.push(`kept ${name}`);
});
for (const name of ["a", "bad", "b", "c"]) cameras.get("first").enqueue(frame(name));
await pause(75);
frames.follow("second");
for (const name of ["A", "B"]) cameras.get("second").enqueue(frame(name));
await pause(150);
frames.close();
tell(notes);
"""


def test_frames_are_taken_one_after_the_other_even_from_two_cameras() -> None:
    notes: list[str] = run_module(PLAY)
    assert notes[:6] == ["take a", "kept a", "close a", "take bad", "reported cannot be painted", "close bad"]
    assert not [note for note in notes if note.endswith("beside another")]
    taken = [note.removeprefix("take ") for note in notes if note.startswith("take ")]
    assert taken == ["a", "bad", "b", "A", "B"], "what waited of the first camera is not taken any more"
    assert notes.index("kept b") < notes.index("take A")
    assert [f"close {name}" for name in taken] == [n for n in notes if n.startswith("close ") and n != "close c"]
