"""
What this client has read, by path, with its entity tag: the platform then answers 304 without the data.
"""

from __future__ import annotations

from collections import OrderedDict

_MOST_ENTRIES = 256


class EntityCache:
    def __init__(self) -> None:
        self._bodies: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    def get(self, path: str) -> tuple[str, bytes] | None:
        """Returns the entity tag and the body that were last read."""
        found = self._bodies.get(path)
        if found:
            self._bodies.move_to_end(path)
        return found

    def put(self, path: str, etag: str, body: bytes) -> None:
        self._bodies[path] = (etag, body)
        self._bodies.move_to_end(path)
        if len(self._bodies) > _MOST_ENTRIES:
            self._bodies.popitem(last=False)

    def drop(self, path: str) -> None:
        self._bodies.pop(path, None)
