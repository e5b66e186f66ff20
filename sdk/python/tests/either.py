"""Both clients behind one form, so that each test holds them both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Literal

from countersign import AsyncClient, BatchResult, Client, Event, Registered, Registration, Response
from countersign.testing import FakePlatform

Kind = Literal["sync", "async"]


class Either:
    def __init__(self, client: Client[Any] | AsyncClient[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.client = client
        self._loop = loop

    def register(self, user: Any, **options: Any) -> Registered[Any]:
        return self._done(self.client.register(user, **options))  # type: ignore[no-any-return]

    def get(self, id: str) -> Registration[Any]:
        return self._done(self.client.get(id))  # type: ignore[no-any-return]

    def delete(self, id: str) -> None:
        self._done(self.client.delete(id))

    def registered(self, user: Any) -> Response[Any]:
        return self._done(self.client.with_response.register(user))  # type: ignore[no-any-return]

    def read(self, id: str) -> Response[Any]:
        return self._done(self.client.with_response.get(id))  # type: ignore[no-any-return]

    def batch(self, users: Iterable[Any], **options: Any) -> list[BatchResult[Any]]:
        if isinstance(self.client, Client):
            return list(self.client.register_batch(users, **options))
        results = self.client.register_batch(users, **options)

        async def collected() -> list[BatchResult[Any]]:
            return [result async for result in results]

        return self._loop.run_until_complete(collected())

    def events(self, **options: Any) -> list[Event]:
        if isinstance(self.client, Client):
            return list(self.client.events(**options))
        events = self.client.events(**options)

        async def read() -> list[Event]:
            return [event async for event in events]

        return self._loop.run_until_complete(read())

    def together(self, *calls: tuple[str, Any]) -> list[Any]:
        """Makes calls at the same time. Returns their results or errors."""
        if isinstance(self.client, AsyncClient):

            async def gathered() -> list[Any]:
                made = [getattr(self.client, name)(argument) for name, argument in calls]
                return await asyncio.gather(*made, return_exceptions=True)

            return self._loop.run_until_complete(gathered())
        return [self._caught(name, argument) for name, argument in calls]

    def close(self) -> None:
        if isinstance(self.client, Client):
            self.client.close()
        else:
            self._done(self.client.aclose())

    def _caught(self, name: str, argument: Any) -> Any:
        try:
            return getattr(self.client, name)(argument)
        except Exception as error:
            return error

    def _done(self, result: Any) -> Any:
        return self._loop.run_until_complete(result) if asyncio.iscoroutine(result) else result


class Make:
    """Makes clients of a fake platform, or of any."""

    def __init__(self, kind: Kind, loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self._loop = loop
        self.made: list[Either] = []

    def __call__(self, platform: FakePlatform, **options: Any) -> Either:
        made = platform.client if self.kind == "sync" else platform.async_client
        return self._kept(made(**options))

    def of(self, **options: Any) -> Either:
        return self._kept(Client(**options) if self.kind == "sync" else AsyncClient(**options))

    def _kept(self, client: Client[Any] | AsyncClient[Any]) -> Either:
        self.made.append(Either(client, self._loop))
        return self.made[-1]
