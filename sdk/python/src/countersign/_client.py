"""The client for threads: it registers users, and reads and deletes registrations."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from logging import Logger
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

import httpx

from . import _core as core
from ._batch import BatchFailure, BatchProgress, BatchResult, BatchSuccess
from ._calls import Calls
from ._core import Core, RequestEvent, Response, RetryEvent
from ._errors import ClientClosedError, CountersignError, InvalidArgumentError
from ._events import BEGINNING, Event, require_cursor
from ._keys import RotatedKey
from ._options import Internals, create_settings, require_concurrency
from ._registration import Registered, Registration, U
from ._signer import Alg, PrivateKey, create_signer
from ._transport import SyncTransport, exchange

T = TypeVar("T")


class Client(Generic[U]):
    """
    Registers users with a Countersign platform. Create one client and share it, between threads too: all its
    calls share the connections, the nonces and the retry budget.

        with Client(url=url, api_key=api_key) as client:
            registration = client.register({"user_id": "ada", "email": "ada@example.com"})

    A user is a `User`, unless the client names the type of the operator's own schema: `Client[Employee](…)`.
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
        transport: httpx.BaseTransport | None = None,
        logger: Logger | None = None,
        on_request: Callable[[RequestEvent], object] | None = None,
        on_retry: Callable[[RetryEvent], object] | None = None,
        on_quota_wait: Callable[[float], object] | None = None,
        on_key_rotated: Callable[[RotatedKey], object] | None = None,
        _internals: Internals | None = None,
    ) -> None:
        """
        `url` and `api_key` default to COUNTERSIGN_URL and COUNTERSIGN_API_KEY. README.md explains each
        option. Raises InvalidArgumentError where one is missing or wrong; the message never quotes a key.
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
        self._own = None if transport else SyncTransport()
        self._transport = transport or self._own
        self._pass_time = internals.sleep
        self._turn = threading.Lock()
        """Whoever has it takes a step of a call."""
        self._running = 0
        self._ended = threading.Event()
        self._scopes: WeakSet[threading.Event] = WeakSet([self._ended])

    @property
    def client_id(self) -> str:
        """This client's id on the platform."""
        return self._core.client_id

    @property
    def with_response(self) -> ClientWithResponse[U]:
        """The same calls; they return what the platform said beside the result, too."""
        return ClientWithResponse(self)

    def register(
        self, user: U, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Registered[U]:
        """
        Registers a user. Repeating it is safe: the same user with the same data is the same registration. A
        retry uses another nonce, because the first may be used up.

        Returns the registration, and whether it was registered before. Raises RegistrationConflictError where
        the user is registered with other data; InvalidRegistrationError, which names every bad field;
        InvalidArgumentError where JSON cannot express the user; any other CountersignError.
        """
        return self._run(self._calls.register(user, timeout_ms, max_retries)).data

    def register_batch(
        self,
        users: Iterable[U],
        *,
        concurrency: int = 8,
        on_progress: Callable[[BatchProgress], object] | None = None,
    ) -> Iterator[BatchResult[U]]:
        """
        Registers many users, at most `concurrency` at the same time, with one round trip each. It reads a
        user only when one can start, so the source may be endless. Leaving the loop early ends the batch:
        what is under way may finish, and is not tried again.

        Returns a result for each user, in the order of completion; a failed user does not stop the others.
        Raises InvalidArgumentError at once, where an option is wrong; else the source's own error, after the
        results of all registrations that had started.
        """
        require_concurrency(concurrency)
        if on_progress is not None and not callable(on_progress):
            raise InvalidArgumentError("on_progress must be a function")
        if isinstance(users, (str, bytes, dict)) or not hasattr(users, "__iter__"):
            raise InvalidArgumentError("users must be iterable, such as a list")
        return self._batch(iter(users), concurrency, on_progress)

    def get(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Registration[U]:
        """
        Reads a registration of this client by its `id`, 43 characters of base64url. No nonce is needed; each
        retry signs a new proof.

        Raises NotFoundError where this client has no such registration; InvalidArgumentError where `id` is
        not an id; any other CountersignError.
        """
        return self._run(self._calls.get(id, timeout_ms, max_retries)).data

    def delete(self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None) -> None:
        """
        Deletes a registration of this client for good: no request that was signed before can bring it back.
        Each retry takes a new nonce. If an attempt got no clear answer and a retry finds no registration, the
        call succeeds.

        Raises NotFoundError where there is nothing to delete; InvalidArgumentError where `id` is not an id;
        any other CountersignError.
        """
        self._run(self._calls.delete(id, timeout_ms, max_retries))

    def events(self, *, after: str = BEGINNING) -> Iterator[Event]:
        """
        Reads this client's events, in their order, up to the newest; and those from a cursor on, to continue.

            for event in client.events(after=cursor):
                handle(event)
                cursor = event.cursor

        `after`: the `cursor` of the last event that was handled; by default the beginning of what the
        platform keeps. Raises InvalidArgumentError at once, where it is no cursor; CursorGoneError where
        events after it may have been deleted; any other CountersignError.
        """
        require_cursor(after)
        return self._events(after)

    def _events(self, after: str) -> Iterator[Event]:
        while True:
            page = self._run(self._calls.page(after)).data
            yield from page
            if page.is_last:
                return
            after = page.next

    def close(self) -> None:
        """Ends running calls, which raise ClientClosedError, and closes every connection."""
        with self._turn:
            self._core.close()
        for scope in list(self._scopes):
            scope.set()
        if self._own:
            self._own.close()

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<countersign.Client client_id={self.client_id!r}>"

    def _run(self, steps: core.Steps[T], ended: threading.Event | None = None) -> T:
        """Takes the steps of a call. `ended` ends its waits."""
        ended = ended or self._ended
        with self._turn:
            self._running += 1
        try:
            result, failure = None, None
            while True:
                with self._turn:
                    try:
                        effect = steps.throw(failure) if failure else steps.send(result)
                    except StopIteration as done:
                        return cast(T, done.value)
                try:
                    result, failure = self._perform(effect, ended), None
                except BaseException as error:
                    if self._core.closed and isinstance(error, CountersignError):
                        error = ClientClosedError()
                    result, failure = None, error
        finally:
            with self._turn:
                self._running -= 1

    def _perform(self, effect: core.Effect, ended: threading.Event) -> object:
        if isinstance(effect, core.Send):
            assert self._transport
            return exchange(self._transport, effect.request, effect.timeout_ms)
        if isinstance(effect, core.Sleep):
            if self._pass_time:
                self._pass_time(effect.ms)
            elif ended.wait(effect.ms / 1000):
                raise ClientClosedError
            return None
        if isinstance(effect, core.Wait):
            return effect.future.result()
        if isinstance(effect, core.Turn):
            # Other threads may be about to ask for a nonce, too: one request then covers them all.
            if self._running > 1:
                time.sleep(_TURN_S)
            return None
        if isinstance(effect, core.Notify):
            effect.hook(effect.value)
            return None
        threading.Thread(target=self._run, args=(effect.steps,), daemon=True).start()
        return None

    def _batch(
        self,
        users: Iterator[U],
        concurrency: int,
        on_progress: Callable[[BatchProgress], object] | None,
    ) -> Iterator[BatchResult[U]]:
        waiting: SimpleQueue[tuple[int, U] | None] = SimpleQueue()
        done: SimpleQueue[BatchResult[U] | BaseException] = SimpleQueue()
        ended = threading.Event()
        with self._turn:
            self._scopes.add(ended)

        def work() -> None:
            while (item := waiting.get()) is not None:
                index, user = item
                try:
                    if ended.is_set():
                        raise ClientClosedError
                    registered = self._run(self._calls.register(user, None, None), ended).data
                    done.put(BatchSuccess(index, user, registered))
                except CountersignError as error:
                    done.put(BatchFailure(index, user, error))
                except BaseException as error:
                    # An error of the application's own, from a hook: it ends the batch.
                    done.put(error)

        threads: list[threading.Thread] = []
        index = running = registered = failed = 0
        exhausted = False
        source_failed: BaseException | None = None
        try:
            while True:
                while running < concurrency and not exhausted:
                    try:
                        user = next(users)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:
                        exhausted, source_failed = True, error
                    else:
                        waiting.put((index, user))
                        index += 1
                        running += 1
                        if len(threads) < running:
                            threads.append(threading.Thread(target=work, daemon=True))
                            threads[-1].start()
                if running == 0:
                    break
                result = done.get()
                running -= 1
                if isinstance(result, BaseException):
                    raise result
                registered += result.ok
                failed += not result.ok
                if on_progress:
                    on_progress(BatchProgress(registered, failed))
                yield result
            if source_failed:
                raise source_failed
        finally:
            ended.set()
            for _ in threads:
                waiting.put(None)
            for thread in threads:
                thread.join()


_TURN_S = 0.001

C = TypeVar("C", bound=Client[Any])


class ClientWithResponse(Generic[U]):
    """The calls of a client, with what the platform said beside the result."""

    def __init__(self, client: Client[U]) -> None:
        self._client = client

    def register(
        self, user: U, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[Registered[U]]:
        """As `Client.register`."""
        return self._client._run(self._client._calls.register(user, timeout_ms, max_retries))

    def get(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[Registration[U]]:
        """As `Client.get`."""
        return self._client._run(self._client._calls.get(id, timeout_ms, max_retries))

    def delete(
        self, id: str, *, timeout_ms: float | None = None, max_retries: float | None = None
    ) -> Response[None]:
        """As `Client.delete`."""
        return self._client._run(self._client._calls.delete(id, timeout_ms, max_retries))
