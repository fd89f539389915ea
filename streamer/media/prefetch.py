"""`prefetch`: run an iterator in a thread of its own, a few items ahead of whoever consumes it."""

import threading
from collections import deque
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], ahead: int) -> Generator[T, None, None]:
    """Yield `items` in order while a thread makes the next ones, `ahead` of them at most.

    What the iterator raises is raised here, in its place. Closing the generator stops the thread.
    """
    ready: deque[T] = deque()
    changed = threading.Condition()
    closed = finished = False
    failure: BaseException | None = None

    def work() -> None:
        nonlocal finished, failure
        try:
            for item in items:
                with changed:
                    changed.wait_for(lambda: closed or len(ready) < ahead)
                    if closed:
                        return
                    ready.append(item)
                    changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - carried over to the consumer's thread
            failure = error
        finally:
            with changed:
                finished = True
                changed.notify_all()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: finished or bool(ready))
                if not ready:
                    break
                item = ready.popleft()
                changed.notify_all()
            yield item
        if failure is not None:
            raise failure
    finally:
        with changed:
            closed = True
            changed.notify_all()
        thread.join()
