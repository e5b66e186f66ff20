"""Lets a client's own connections go to a proxy, in place of the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpcore

from countersign import AsyncClient, Client


class _Through(httpcore.NetworkBackend):
    """Connects to a proxy's port in place of the server's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self._inner.connect_tcp(host, self._port, timeout, local_address, socket_options)


class _AsyncThrough(httpcore.AsyncNetworkBackend):
    """As `_Through`, for asyncio."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._inner.connect_tcp(host, self._port, timeout, local_address, socket_options)


def through(client: Client[Any] | AsyncClient[Any], port: int) -> None:
    own: Any = client._own
    backend = own._pool._network_backend
    backend._inner = _Through(port) if isinstance(client, Client) else _AsyncThrough(port)
