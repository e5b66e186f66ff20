"""
HTTP of a client: one pool of keep-alive connections, which closes with the client. It uses httpcore, the
engine of httpx, because httpx limits each single read and not the whole exchange.
"""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast
from weakref import WeakSet

import httpcore
import httpx

from ._base_url import origin_of
from ._errors import ConnectionError, CountersignError, TimeoutError, UnexpectedAnswerError
from ._http import LONGEST_BODY, Answer, Request, headers_of, request_id_of
from ._version import VERSION

_CONNECTIONS = 128
_IDLE_S = 4.0
_LONGEST_LIFE_S = 300.0
"""
A connection is used at most this long: a fail-over moves names, and only a new connection looks a name up.
"""
_HEADERS = [
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", f"countersign-python/{VERSION}"),
]


class _Deadlines(threading.local):
    """When the exchange that this thread makes has to end."""

    at = float("inf")

    def left(self, otherwise: float | None) -> float | None:
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return otherwise if left == float("inf") else left


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes all end with the exchange."""

    def __init__(self, inner: httpcore.NetworkStream, deadlines: _Deadlines, born: float) -> None:
        self._inner = inner
        self._deadlines = deadlines
        self._born = born

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadlines.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadlines.left(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadlines.left(timeout))
        self._inner = inner
        return self

    def close(self) -> None:
        # A thread that reads from it goes on reading after a plain close.
        with suppress(OSError):
            found = self._inner.get_extra_info("socket")
            if found is not None:
                found.shutdown(socket.SHUT_RDWR)
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return _extra_info(self._inner, self._born, info)


def _extra_info(inner: Any, born: float, info: str) -> Any:
    # The pool drops an idle connection that is readable, because its server has closed it.
    if info == "is_readable" and time.monotonic() - born > _LONGEST_LIFE_S:
        return True
    return inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadlines: _Deadlines) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadlines = deadlines
        self.streams: WeakSet[_Stream] = WeakSet()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadlines.left(timeout)
        inner = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        stream = _Stream(inner, self._deadlines, time.monotonic())
        self.streams.add(stream)
        return stream


class SyncTransport(httpx.BaseTransport):
    """The built-in transport of `Client`."""

    def __init__(self) -> None:
        self._deadlines = _Deadlines()
        self._backend = _Backend(self._deadlines)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            network_backend=self._backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        timeout: Mapping[str, float] = request.extensions["timeout"]
        self._deadlines.at = time.monotonic() + timeout["read"]
        answer = self._pool.handle_request(_core_request(request))
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_SyncBody(answer, self._deadlines)
        )

    def close(self) -> None:
        for stream in list(self._backend.streams):
            stream.close()
        self._pool.close()


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, deadlines: _Deadlines) -> None:
        self._answer = answer
        self._deadlines = deadlines

    def __iter__(self) -> Iterator[bytes]:
        return iter(cast("Iterable[bytes]", self._answer.stream))

    def close(self) -> None:
        self._answer.close()
        self._deadlines.at = float("inf")


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, born: float) -> None:
        self._inner = inner
        self._born = born

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        self._inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return self

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return _extra_info(self._inner, self._born, info)


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self) -> None:
        # asyncio by anyio, which httpx installs.
        self._inner = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        inner = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _AsyncStream(inner, time.monotonic())


class AsyncTransport(httpx.AsyncBaseTransport):
    """The built-in transport of `AsyncClient`."""

    def __init__(self) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            network_backend=_AsyncBackend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._pool.handle_async_request(_core_request(request))
        return httpx.Response(answer.status, headers=answer.headers, stream=_AsyncBody(answer))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(cast("AsyncIterable[bytes]", self._answer.stream))

    async def aclose(self) -> None:
        await self._answer.aclose()


def _core_request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


_url = lru_cache(maxsize=256)(httpx.URL)


def _request(request: Request, timeout_ms: float) -> httpx.Request:
    seconds = timeout_ms / 1000
    limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    content = request.body if request.method == "POST" else None
    headers = [*_HEADERS, *request.headers]
    return httpx.Request(
        request.method, _url(request.url), headers=headers, content=content, extensions={"timeout": limits}
    )


def exchange(transport: httpx.BaseTransport, request: Request, timeout_ms: float) -> Answer:
    """Returns the complete answer, with any status, or raises the reason why there is none."""
    try:
        response = transport.handle_request(_request(request, timeout_ms))
        try:
            body = bytearray()
            # Not `iter_raw`: it refuses an answer that was made with its content.
            for chunk in cast(httpx.SyncByteStream, response.stream):
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise _too_long(request, response)
        finally:
            response.close()
        return _answer(request, response, body)
    except CountersignError:
        raise
    except Exception as error:
        raise _failure(error, request, timeout_ms) from error


async def exchange_async(transport: httpx.AsyncBaseTransport, request: Request, timeout_ms: float) -> Answer:
    """As `exchange`. The caller limits the whole exchange."""
    try:
        response = await transport.handle_async_request(_request(request, timeout_ms))
        try:
            body = bytearray()
            async for chunk in cast(httpx.AsyncByteStream, response.stream):
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise _too_long(request, response)
        finally:
            await response.aclose()
        return _answer(request, response, body)
    except CountersignError:
        raise
    except Exception as error:
        raise _failure(error, request, timeout_ms) from error


def _answer(request: Request, response: httpx.Response, body: bytearray) -> Answer:
    return Answer(request.url, response.status_code, headers_of(response.headers.raw), bytes(body))


def _too_long(request: Request, response: httpx.Response) -> UnexpectedAnswerError:
    answer = _answer(request, response, bytearray())
    how = f"with more than {LONGEST_BODY} bytes"
    return UnexpectedAnswerError(answer.asked, answer.status, request_id_of(answer), how)


def _failure(error: Exception, request: Request, timeout_ms: float) -> CountersignError:
    origin = origin_of(request.url)
    if isinstance(error, (httpcore.TimeoutException, httpx.TimeoutException)):
        return TimeoutError(origin, timeout_ms)
    return ConnectionError(origin, _reason(error))


_NAME = re.compile(r"[A-Z_0-9]{2,60}", re.ASCII)
_LOOKUP = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


def _reason(error: BaseException) -> str:
    """
    Returns the system's name of the error, if there is one. An error's message is not used: it may quote the
    request.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        reason = getattr(found, "reason", None)
        if isinstance(reason, str) and _NAME.fullmatch(reason):
            return reason
        if isinstance(found, socket.gaierror) and found.errno in _LOOKUP:
            return _LOOKUP[found.errno]
        if isinstance(found, OSError) and found.errno is not None and found.errno in errno.errorcode:
            return errno.errorcode[found.errno]
        if isinstance(found, (httpcore.RemoteProtocolError, httpx.RemoteProtocolError)):
            return "the server broke off"
        found = found.__cause__ or found.__context__
    return "connection failed"
