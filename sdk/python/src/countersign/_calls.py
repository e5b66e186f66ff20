"""The calls of a client, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, cast

from ._core import Call, Core, Response, Steps
from ._events import Page, read_page
from ._http import Answer
from ._options import require_number
from ._registration import (
    Registered,
    Registration,
    U,
    encode_user,
    path_of,
    read_registered,
    read_registration,
)


class Calls(Generic[U]):
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(
        self, user: U, timeout_ms: float | None, max_retries: float | None
    ) -> Steps[Response[Registered[U]]]:
        _require_limits(timeout_ms, max_retries)
        body = encode_user(user)
        # The user as it was sent, if it was sent at all: an operator's own schema decides the form of a user.
        expected = {"client_id": self._core.client_id}
        user_id = cast("Mapping[str, object]", user).get("user_id")
        if isinstance(user_id, str):
            expected["user_id"] = user_id

        def read(answer: Answer) -> Registered[U]:
            return read_registered(answer, expected)

        path = "/v1/register"
        return self._core.call(Call("POST", path, read, path, body, timeout_ms, max_retries))

    def get(
        self, id: str, timeout_ms: float | None, max_retries: float | None
    ) -> Steps[Response[Registration[U]]]:
        _require_limits(timeout_ms, max_retries)
        expected = {"id": id, "client_id": self._core.client_id}

        def read(answer: Answer) -> Registration[U]:
            return read_registration(answer, expected)

        call = Call("GET", path_of(id), read, _ONE, b"", timeout_ms, max_retries, caches=True)
        return self._core.call(call)

    def page(self, after: str) -> Steps[Response[Page]]:
        """Reads the events after a cursor."""
        client_id = self._core.client_id

        def read(answer: Answer) -> Page:
            return read_page(answer, after, client_id)

        return self._core.call(Call("GET", f"/v1/events/{after}", read, "/v1/events/{after}"))

    def delete(self, id: str, timeout_ms: float | None, max_retries: float | None) -> Steps[Response[None]]:
        _require_limits(timeout_ms, max_retries)
        call = Call("DELETE", path_of(id), _nothing, _ONE, b"", timeout_ms, max_retries)
        return self._core.call(call)


_ONE = "/v1/registrations/{id}"


def _nothing(answer: Answer) -> None:
    del answer


def _require_limits(timeout_ms: float | None, max_retries: float | None) -> None:
    if timeout_ms is not None:
        require_number("timeout_ms", timeout_ms, 1, 2**31 - 1)
    if max_retries is not None:
        require_number("max_retries", max_retries, 0)
