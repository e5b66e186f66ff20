"""What happened to registrations and keys, as `client.events()` reads it, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from ._errors import InvalidArgumentError
from ._http import Answer, unexpected_answer


@dataclass(frozen=True)
class Event:
    """An event. Its `id` is the same whenever and in whichever Region it is read."""

    id: str
    """`evt_…`"""
    type: str
    """Such as `registration.created`. A later platform may have others."""
    timestamp: str
    """When it happened: RFC 3339, UTC."""
    data: Mapping[str, Any]
    """`client_id` and `version`; of a registration its `id`, of a key its `kid`."""
    cursor: str
    """
    Where to resume once this event is handled. It never skips an event. It may repeat up to 99, and after a
    change of Region those of a day: an event that was handled has the same `id`.
    """


@dataclass(frozen=True, slots=True)
class Page:
    events: tuple[Event, ...]
    after: str
    """The cursor that was asked for."""
    next: str

    @property
    def is_last(self) -> bool:
        return self.next == self.after

    def __iter__(self) -> Iterator[Event]:
        """Gives each event the cursor to resume from. A page has one, which is behind all of its events."""
        for event in self.events[:-1]:
            yield replace(event, cursor=self.after)
        for event in self.events[-1:]:
            yield replace(event, cursor=self.next)


BEGINNING = "0"
_CURSOR = re.compile(r"[\w-]{1,512}", re.ASCII)
_LONGEST_TEXT = 256


def require_cursor(after: object) -> None:
    if not _is_cursor(after):
        raise InvalidArgumentError("after must be the cursor of an event")


def read_page(answer: Answer, after: str, client_id: str) -> Page:
    """Raises UnexpectedAnswerError, also where an event is another client's."""
    value = answer.json()
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    listed, following = members.get("events"), members.get("next")
    found = cast("list[object]", listed) if isinstance(listed, list) else []
    events = [event for event in map(_event, found) if event and event.data.get("client_id") == client_id]
    if not isinstance(listed, list) or not _is_cursor(following) or len(events) < len(found):
        raise unexpected_answer(answer)
    return Page(tuple(events), after, cast(str, following))


def _event(value: object) -> Event | None:
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    texts = [members.get(name) for name in ("id", "type", "timestamp")]
    data = members.get("data")
    if not isinstance(data, dict) or not all(isinstance(t, str) and len(t) <= _LONGEST_TEXT for t in texts):
        return None
    event_id, kind, timestamp = cast("list[str]", texts)
    return Event(event_id, kind, timestamp, cast("dict[str, Any]", data), "")


def _is_cursor(value: object) -> bool:
    return isinstance(value, str) and _CURSOR.fullmatch(value) is not None
