"""The client for asyncio: it registers users, and reads and deletes registrations."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from logging import Logger
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import httpx

from . import _core as core
from ._base_url import origin_of
from ._batch import BatchFailure, BatchProgress, BatchResult, BatchSuccess
from ._calls import Calls
from ._core import Core, RequestEvent, Response, RetryEvent
from ._errors import ClientClosedError, CountersignError, InvalidArgumentError, TimeoutError
from ._events import BEGINNING, Event, require_cursor
from ._http import Answer
from ._keys import RotatedKey
from ._options import Internals, create_settings, require_concurrency
from ._registration import Registered, Registration, U
from ._signer import Alg, PrivateKey, create_signer
from ._transport import AsyncTransport, exchange_async

T = TypeVar("T")


class AsyncClient(Generic[U]):
    """
    Registers users with a Countersign platform. Create one client for an event loop and share it: all its
    calls share the connections, the nonces and the retry budget.

        async with AsyncClient(url=url, api_key=api_key) as client:
            registration = await client.register({"user_id": "ada", "email": "ada@example.com"})

    A user is a `User`, unless the client names the type of the operator's own schema:
    `AsyncClient[Employee](…)`. To end a call, cancel its task.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        api_key: str | None = None,
        client_id: str | None = None,
        private_key: PrivateKey | None = None,
        alg: Alg | None = None,
        kid: str | None = None,
        regions: Sequence[str] = (),
        timeout_ms: float = 10_000,
        max_retries: float = 4,
        retry_budget: float = 50,
        transport: httpx.AsyncBaseTransport | None = None,
        logger: Logger | None = None,
        on_request: Callable[[RequestEvent], object] | None = None,
        on_retry: Callable[[RetryEvent], object] | None = None,
        on_quota_wait: Callable[[float], object] | None = None,
        on_key_rotated: Callable[[RotatedKey], object] | None = None,
        _internals: Internals | None = None,
    ) -> None:
        """
        As `Client`; the functions may be coroutine functions, too. Raises InvalidArgumentError where an
        option is missing or wrong; the message never quotes a key.
        """
        if api_key is None and private_key is None:
            api_key = os.environ.get("COUNTERSIGN_API_KEY")
        internals = _internals or Internals()
        settings = create_settings(
            url=url,
            regions=regions,
            timeout_ms=timeout_ms,
            max_retries=max_retries,
            retry_budget=retry_budget,
            logger=logger,
            on_request=on_request,
            on_retry=on_retry,
            on_quota_wait=on_quota_wait,
            on_key_rotated=on_key_rotated,
            internals=internals,
        )
        signer = create_signer(
            api_key=api_key, client_id=client_id, private_key=private_key, alg=alg, kid=kid
        )
        self._core = Core(settings, signer)
        self._calls: Calls[U] = Calls(self._core)
        self._own = None if transport else AsyncTransport()
        self._transport = transport or self._own
        self._pass_time = internals.sleep
        self._running: set[asyncio.Task[Any]] = set()
        self._beside: set[asyncio.Task[None]] = set()

    @property
    def client_id(self) -> str:
        """This client's id on the platform."""
        return self._core.client_id

    @property
    def with_response(self) -> AsyncClientWithResponse[U]:
        """The same calls; they return what the platform said beside the result, too."""
        return AsyncClientWithResponse(self)

    async def register(
        self, user: U, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Registered[U]:
        """As `Client.register`."""
        return (await self._run(self._calls.register(user, timeout_ms, max_retries))).data

    def register_batch(
        self,
        users: Iterable[U] | AsyncIterable[U],
        *,
        concurrency: int = 8,
        on_progress: Callable[[BatchProgress], object] | None = None,
    ) -> AsyncIterator[BatchResult[U]]:
        """
        As `Client.register_batch`; the source may be asynchronous. Where the loop may end early, wrap the
        batch in `contextlib.aclosing`: its running registrations are then cancelled at once.
        """
        require_concurrency(concurrency)
        if on_progress is not None and not callable(on_progress):
            raise InvalidArgumentError("on_progress must be a function")
        is_source = hasattr(users, "__iter__") or hasattr(users, "__aiter__")
        if isinstance(users, (str, bytes, dict)) or not is_source:
            raise InvalidArgumentError("users must be iterable, such as a list")
        return self._batch(_as_async(users), concurrency, on_progress)

    async def get(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Registration[U]:
        """As `Client.get`."""
        return (await self._run(self._calls.get(id, timeout_ms, max_retries))).data

    async def delete(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> None:
        """As `Client.delete`."""
        await self._run(self._calls.delete(id, timeout_ms, max_retries))

    def events(self, *, after: str = BEGINNING) -> AsyncIterator[Event]:
        """As `Client.events`."""
        require_cursor(after)
        return self._events(after)

    async def _events(self, after: str) -> AsyncIterator[Event]:
        while True:
            page = (await self._run(self._calls.page(after))).data
            for event in page:
                yield event
            if page.is_last:
                return
            after = page.next

    async def aclose(self) -> None:
        """Ends running calls, which raise ClientClosedError, and closes every connection."""
        self._core.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self._own:
            await self._own.aclose()

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<countersign.AsyncClient client_id={self.client_id!r}>"

    async def _run(self, steps: core.Steps[T]) -> T:
        """Takes the steps of a call."""
        result: object = None
        failure: BaseException | None = None
        while True:
            try:
                effect = steps.throw(failure) if failure else steps.send(result)
            except StopIteration as done:
                return cast(T, done.value)
            try:
                result, failure = await self._perform(effect), None
            except BaseException as error:
                result, failure = None, error

    async def _perform(self, effect: core.Effect) -> object:
        task = asyncio.current_task()
        assert task
        self._running.add(task)
        try:
            if isinstance(effect, core.Send):
                return await self._exchange(effect)
            if isinstance(effect, core.Sleep):
                if self._pass_time:
                    passed = self._pass_time(effect.ms)
                    return await passed if inspect.isawaitable(passed) else passed
                await asyncio.sleep(effect.ms / 1000)
                return None
            if isinstance(effect, core.Wait):
                return await asyncio.wrap_future(effect.future)
            if isinstance(effect, core.Turn):
                await asyncio.sleep(0)
                return None
        except asyncio.CancelledError:
            # `aclose` cancels only waits of this client: its caller's task goes on with this error.
            if not self._core.closed or task not in self._running:
                raise
            if sys.version_info >= (3, 11):
                task.uncancel()
            raise ClientClosedError from None
        finally:
            self._running.discard(task)
        if isinstance(effect, core.Notify):
            told = effect.hook(effect.value)
            return await told if inspect.isawaitable(told) else told
        assert isinstance(effect, core.Spawn)
        beside = asyncio.create_task(self._run(effect.steps))
        self._beside.add(beside)
        beside.add_done_callback(self._beside.discard)
        return None

    async def _exchange(self, effect: core.Send) -> Answer:
        assert self._transport
        sent = exchange_async(self._transport, effect.request, effect.timeout_ms)
        try:
            if sys.version_info >= (3, 11):
                async with asyncio.timeout(effect.timeout_ms / 1000):
                    return await sent
            return await asyncio.wait_for(sent, effect.timeout_ms / 1000)
        except CountersignError:
            raise
        except asyncio.TimeoutError as error:
            raise TimeoutError(origin_of(effect.request.url), effect.timeout_ms) from error

    async def _batch(
        self,
        users: AsyncIterator[U],
        concurrency: int,
        on_progress: Callable[[BatchProgress], object] | None,
    ) -> AsyncIterator[BatchResult[U]]:
        done: asyncio.Queue[BatchResult[U] | BaseException | None] = asyncio.Queue()
        room = asyncio.Semaphore(concurrency)
        tasks: set[asyncio.Task[None]] = set()

        def start(work: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def register(index: int, user: U) -> None:
            try:
                done.put_nowait(BatchSuccess(index, user, await self.register(user)))
            except CountersignError as error:
                done.put_nowait(BatchFailure(index, user, error))
            except Exception as error:
                # An error of the application's own, from a hook: it ends the batch.
                done.put_nowait(error)

        count = 0
        source_failed: list[Exception] = []

        async def read() -> None:
            nonlocal count
            try:
                while True:
                    await room.acquire()
                    user = await anext(users)
                    start(register(count, user))
                    count += 1
            except StopAsyncIteration:
                pass
            except Exception as error:
                source_failed.append(error)
            finally:
                done.put_nowait(None)

        registered = failed = seen = 0
        exhausted = False
        start(read())
        try:
            while not exhausted or seen < count:
                result = await done.get()
                if result is None:
                    exhausted = True
                    continue
                seen += 1
                if isinstance(result, BaseException):
                    raise result
                registered += result.ok
                failed += not result.ok
                if on_progress:
                    on_progress(BatchProgress(registered, failed))
                # A result that nobody has read yet keeps its room: a slow reader slows the batch.
                yield result
                room.release()
            if source_failed:
                raise source_failed[0]
        finally:
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _as_async(users: Iterable[U] | AsyncIterable[U]) -> AsyncIterator[U]:
    if isinstance(users, AsyncIterable):
        async for user in users:
            yield user
    else:
        for user in users:
            yield user


C = TypeVar("C", bound=AsyncClient[Any])


class AsyncClientWithResponse(Generic[U]):
    """The calls of a client, with what the platform said beside the result."""

    def __init__(self, client: AsyncClient[U]) -> None:
        self._client = client

    async def register(
        self, user: U, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[Registered[U]]:
        """As `Client.register`."""
        return await self._client._run(self._client._calls.register(user, timeout_ms, max_retries))

    async def get(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[Registration[U]]:
        """As `Client.get`."""
        return await self._client._run(self._client._calls.get(id, timeout_ms, max_retries))

    async def delete(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[None]:
        """As `Client.delete`."""
        return await self._client._run(self._client._calls.delete(id, timeout_ms, max_retries))
