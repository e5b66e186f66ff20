"""
Makes a call: a Region, a nonce, a proof, an exchange; and again for as long as the retry policy says so.

It does no I/O. A call is a generator, which yields what it needs done and receives the result; both clients
do that, each in its way. They run one step of one call at a time, so nothing here needs a lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timezone
from logging import DEBUG, INFO, WARNING, Logger
from typing import Any, Generic, TypeVar, cast

from ._base_url import is_within
from ._discovery import SHORTEST_AGE_MS, Discovery, RegionInfo, discovery_of
from ._entity_cache import EntityCache
from ._errors import (
    ApiError,
    ClientClosedError,
    ClockSkewError,
    CountersignError,
    error_of_call,
)
from ._http import (
    Answer,
    Method,
    Request,
    answer_error,
    http_date_ms,
    request_id_of,
    server_time_ms,
    unexpected_answer,
)
from ._keys import Challenge, Keys, RotatedKey
from ._loggable import loggable, shown_headers
from ._nonces import NoncePool, Waiter
from ._regions import Regions
from ._retry import Next, RetryBudget, RetryLimits, Tried, is_region_failure, next_attempt
from ._signer import ApiKeySigner, KeyPairSigner, Signable
from ._tracing import traced

T = TypeVar("T")


@dataclass(slots=True)
class Send:
    """Exchange a request for an answer, or raise ConnectionError, TimeoutError or UnexpectedAnswerError."""

    request: Request
    timeout_ms: float


@dataclass(slots=True)
class Sleep:
    ms: float


@dataclass(slots=True)
class Wait:
    """Wait for what another call brings."""

    future: Future[Any]


@dataclass(slots=True)
class Turn:
    """Let the other calls that are about to run go on first."""


@dataclass(slots=True)
class Notify:
    """Call the application's own function."""

    hook: Callable[..., object]
    value: object


@dataclass(slots=True)
class Spawn:
    """Take these steps beside the call."""

    steps: Generator[Any, Any, None]


Effect = Send | Sleep | Wait | Turn | Notify | Spawn
Steps = Generator[Effect, Any, T]


@dataclass(frozen=True)
class RequestEvent:
    """A request of a call is about to be sent."""

    method: str
    route: str
    """Path, with `{id}` for a registration's id."""
    region: str
    attempt: int
    """From 1."""


@dataclass(frozen=True)
class RetryEvent:
    """A call failed, and is tried again."""

    error: CountersignError
    region: str | None
    attempt: int
    """The attempt that failed, from 1."""
    wait_ms: float


@dataclass(slots=True)
class Settings:
    url: str
    """Base URL of the entry or of a Region."""
    regions: Sequence[str]
    """Base URLs of trusted Regions outside `url`'s host."""
    timeout_ms: float
    """Limit on one attempt."""
    max_retries: float
    retry_budget: float
    """Retries of all calls together."""
    logger: Logger
    now: Callable[[], float]
    """Epoch milliseconds."""
    random: Callable[[], float]
    """Returns a number in [0, 1)."""
    on_request: Callable[[RequestEvent], object] | None = None
    on_retry: Callable[[RetryEvent], object] | None = None
    on_quota_wait: Callable[[float], object] | None = None
    on_key_rotated: Callable[[RotatedKey], object] | None = None


@dataclass(slots=True)
class Call(Generic[T]):
    method: Method
    path: str
    """Path after a Region's base URL, with its leading `/`."""
    read: Callable[[Answer], T]
    """Reads a successful answer. It raises a CountersignError where the answer has the wrong form."""
    route: str
    body: bytes | Callable[[Challenge], bytes] = b""
    timeout_ms: float | None = None
    max_retries: float | None = None
    caches: bool = False
    """Whether the answer is kept, and asked for by its entity tag."""
    rolls_over: bool = True
    """Whether the call may ask for the next key."""


@dataclass(slots=True)
class _State:
    """State of a call between two attempts."""

    tried: Tried = field(default_factory=Tried)
    region: RegionInfo | None = None
    attempts: int = 0
    """How often the call's request was sent."""
    unclear: bool = False
    """An attempt was sent but got no clear answer: it may have taken effect."""
    out_of_budget: bool = False
    """The shared budget alone ends the call."""
    answer: Answer | None = None
    """The answer to the last attempt, if there was one."""
    signer: ApiKeySigner | KeyPairSigner | None = None


@dataclass(frozen=True)
class Response(Generic[T]):
    """The outcome of a call, and what the platform said beside it."""

    data: T
    status: int
    request_id: str | None
    """Id of the request in the platform's log."""
    region: str
    """Name of the Region that answered."""
    attempts: int
    """How often the call sent its request."""
    headers: Mapping[str, str]
    """The answer's headers that hold no secret, with names in lower case."""


_SPREAD_MS = 200
"""Calls that waited for a quota continue spread over this time, in milliseconds."""
_MOST_CLOCK_OFFSET_MS = 600_000
"""
Largest difference between the server's clock and this machine's that is corrected. A false clock could make
the client sign proofs for the future, which a thief could use then. A proof lives five minutes, with a minute
of leeway; more than ten minutes is never needed.
"""
_NONCE = re.compile(r"[\w-]{1,256}", re.ASCII)
"""A nonce has at most 79 characters (docs/protocol.md, "Nonce"). The pattern leaves room for a later form."""
_READ_LIFE_S = 60
"""Longest life of a proof for reading, in seconds. It has no nonce, so it could be repeated."""


class Core:
    def __init__(self, settings: Settings, signer: ApiKeySigner | KeyPairSigner) -> None:
        self._settings = settings
        self._keys = Keys(signer, self._now_ms)
        self._regions = Regions(settings.url, settings.now, settings.random)
        self._budget = RetryBudget(settings.retry_budget)
        self._pools: dict[str, NoncePool] = {}
        self._entities = EntityCache()
        self._clock_offset_ms = 0.0
        """The server's clock minus this machine's."""
        self._discovery: Discovery | None = None
        self._discovered_ms = 0.0
        self._discovery_age_ms = 0.0
        self._discovering = False
        self._discovery_waiters: list[Future[None]] = []
        self._warned = False
        self.closed = False

    @property
    def client_id(self) -> str:
        return self._keys.client_id

    def close(self) -> None:
        """Ends every wait for another call."""
        self.closed = True
        for pool in self._pools.values():
            pool.end(ClientClosedError())
        self._end_discovery_waits(ClientClosedError())

    def call(self, call: Call[T]) -> Steps[Response[T]]:
        """
        Returns what `read` makes of the successful answer; or of the 404 of a repeated DELETE, whose first
        attempt may have deleted the registration. Raises a CountersignError.
        """
        return traced(call.method, call.route, self._call(call))

    def _call(self, call: Call[T]) -> Steps[Response[T]]:
        state = _State()
        while True:
            if self.closed:
                raise ClientClosedError()
            sent = state.attempts
            state.answer = None
            try:
                value = yield from self._attempt(call, state)
            except CountersignError as error:
                if isinstance(error, ClientClosedError):
                    raise
                answer = state.answer
                if answer and answer.status == 404 and call.method == "DELETE" and state.unclear:
                    return self._response(call.read(answer), answer, state)
                following = yield from self._decide(error, call, state, state.attempts > sent)
                if following is None:
                    name = state.region.name if state.region else None
                    raise error_of_call(error, state.attempts, name, state.out_of_budget) from error.__cause__
                if following.wait_ms > 0:
                    yield Sleep(following.wait_ms)
                if following.nonce == "new" and state.region:
                    self._pool(state.region).clear()
            else:
                self._budget.succeeded(state.tried.retries > 0)
                response = self._response(value, cast(Answer, state.answer), state)
                if call.rolls_over:
                    yield from self._roll_over()
                return response

    def _attempt(self, call: Call[T], state: _State) -> Steps[T]:
        settings, method = self._settings, call.method
        discovery = self._discovery
        if discovery is None or self._discovery_is_stale():
            discovery = yield from self._discover()
        region = state.region = state.region or self._regions.pick(discovery.regions)
        nonce = None
        if method != "GET":
            # Wait first, then take the nonce: it would grow old meanwhile. Reads do not count against the
            # quota. A random time keeps waiting calls from continuing all at once.
            while (ms := self._regions.held_for_ms(region)) > 0:
                yield Sleep(ms + settings.random() * _SPREAD_MS)
            pool = self._pool(region)
            nonce = pool.pop()
            if nonce is None:
                nonce = yield from self._fetch_nonce(pool, region, discovery.max_nonce_count)
        signer = state.signer = self._keys.signer()
        url, now_s = region.url + call.path, self._now_ms() / 1000
        body = call.body
        if not isinstance(body, bytes):
            body = body(Challenge(discovery.issuer, nonce or "", now_s))
        life_s = discovery.proof_max_life_s
        if method == "GET":
            life_s = min(_READ_LIFE_S, life_s)
        proof = signer.sign(Signable(discovery.issuer, method, url, body, now_s, life_s, nonce))
        headers = [("Authorization", f"JWT {proof}")]
        if method == "POST":
            headers.append(("Content-Type", "application/json"))
        held = self._entities.get(call.path) if call.caches else None
        if held:
            headers.append(("If-None-Match", held[0]))
        if settings.on_request:
            yield Notify(
                settings.on_request, RequestEvent(method, call.route, region.name, state.attempts + 1)
            )
        state.attempts += 1
        answer: Answer = yield Send(
            Request(method, url, headers, body), call.timeout_ms or settings.timeout_ms
        )
        state.answer = answer
        self._log(DEBUG, "answer", call, state, status=answer.status, request_id=request_id_of(answer))
        # One nonce in for one out: reads take none, so a server cannot make the pool grow.
        fresh = answer.headers.get("replay-nonce")
        if fresh and method != "GET" and _NONCE.fullmatch(fresh):
            self._pool(region).put(fresh)
        if held and answer.status == 304:
            state.answer = answer = Answer(answer.url, answer.status, answer.headers, held[1])
        elif not 200 <= answer.status <= 299:
            raise answer_error(answer)
        value = call.read(answer)
        self._regions.answered(region)
        self._note_expiry(answer, signer)
        etag = answer.headers.get("etag")
        if call.caches and etag and answer.status == 200:
            self._entities.put(call.path, etag, answer.body)
        elif method == "DELETE":
            self._entities.drop(call.path)
        return value

    def _decide(
        self, error: CountersignError, call: Call[Any], state: _State, sent: bool
    ) -> Steps[Next | None]:
        """Updates the state after a failure. Returns the next attempt; None where the failure is final."""
        settings, region, answer = self._settings, state.region, state.answer
        if sent and (answer is None or answer.status >= 500):
            state.unclear = True
        if region and is_region_failure(error):
            self._regions.failed(region)
        if isinstance(error, ClockSkewError) and answer:
            self._correct_clock(error, answer)
        following = self._next(error, call, state)
        self._log(
            DEBUG if following else INFO,
            "retry" if following else "failed",
            call,
            state,
            code=error.code,
            status=error.status,
            request_id=error.request_id,
            wait_ms=following.wait_ms if following else None,
        )
        if following is None:
            return None
        # One call has to wait: the others need not ask. Reads have a limit of their own, which holds up no
        # write.
        if region and error.code == "quota_exceeded" and call.method != "GET":
            is_first = self._regions.held_for_ms(region) == 0
            self._regions.hold(region, following.wait_ms)
            if is_first and settings.on_quota_wait:
                yield Notify(settings.on_quota_wait, following.wait_ms)
        if settings.on_retry:
            name = region.name if region else None
            yield Notify(
                settings.on_retry, RetryEvent(error, name, max(1, state.attempts), following.wait_ms)
            )
        if following.region == "best":
            state.region = None
        return following

    def _next(self, error: CountersignError, call: Call[Any], state: _State) -> Next | None:
        def other_key() -> bool:
            return state.signer is not None and self._keys.refused(state.signer)

        def permit() -> bool:
            permitted = self._budget.take()
            state.out_of_budget = not permitted
            return permitted

        max_retries = self._settings.max_retries if call.max_retries is None else call.max_retries
        others = self._discovery.regions if self._discovery and state.region else ()
        other_region = self._regions.any_healthy(others)
        limits = RetryLimits(max_retries, other_region, other_key, permit, self._settings.random)
        return next_attempt(error, state.tried, limits)

    def _correct_clock(self, error: ClockSkewError, answer: Answer) -> None:
        """Follows the server's clock. Raises ClockSkewError where the clocks are too far apart for that."""
        server_ms, now_ms = server_time_ms(answer), self._settings.now()
        if server_ms is None:
            return
        if abs(server_ms - now_ms) > _MOST_CLOCK_OFFSET_MS:
            error.args = (
                f"the clock of {answer.origin} says {_iso(server_ms)}, this machine's clock says "
                f"{_iso(now_ms)}: they differ by more than {_MOST_CLOCK_OFFSET_MS // 60_000} minutes; "
                "set this machine's clock",
            )
            raise error
        self._clock_offset_ms = server_ms - now_ms

    def _now_ms(self) -> float:
        return self._settings.now() + self._clock_offset_ms

    # Nonces

    def _pool(self, region: RegionInfo) -> NoncePool:
        pool = self._pools.get(region.url)
        if pool is None:
            pool = self._pools[region.url] = NoncePool(self._settings.now)
        return pool

    def _fetch_nonce(self, pool: NoncePool, region: RegionInfo, most: int) -> Steps[str]:
        """Returns the nonce that this call gets of all that the waiting calls request together."""
        while True:
            if self.closed:
                raise ClientClosedError()
            nonce = pool.pop()
            if nonce is not None:
                return nonce
            waiter = pool.join()
            try:
                yield Turn()
                count = min(pool.missing(), most)
                if count > 0:
                    yield from self._request_nonces(pool, region, count)
                nonce = cast("str | None", (yield Wait(waiter)))
            except BaseException:
                pool.leave(waiter)
                raise
            if nonce is not None:
                return nonce

    def _request_nonces(self, pool: NoncePool, region: RegionInfo, count: int) -> Steps[None]:
        query = f"client_id={self.client_id}" + (f"&count={count}" if count > 1 else "")
        request = Request("GET", f"{region.url}/v1/nonce?{query}", [])
        failure: CountersignError | None = None
        pool.request(count)
        try:
            answer: Answer = yield Send(request, self._settings.timeout_ms)
            for nonce in _read_nonces(answer)[:count]:
                pool.put(nonce)
        except CountersignError as error:
            # Every call that waits gets the error, this one too if it is among them.
            failure = error
        finally:
            pool.answered(count, failure)

    # Discovery

    def _discovery_is_stale(self) -> bool:
        # `abs`: a clock that was set back must not make the copy look fresh.
        return abs(self._settings.now() - self._discovered_ms) >= self._discovery_age_ms

    def _discover(self) -> Steps[Discovery]:
        """
        Returns the cached document. A stale one is returned too, and refreshed beside the call. Only the
        first calls wait.
        """
        while True:
            if self.closed:
                raise ClientClosedError()
            if self._discovery:
                if self._discovery_is_stale() and not self._discovering:
                    self._discovering = True
                    # If the refresh fails, keep using the old copy and try again later.
                    self._keep(self._discovery, SHORTEST_AGE_MS)
                    yield Spawn(self._refresh())
                return self._discovery
            if self._discovering:
                waiter: Future[None] = Future()
                self._discovery_waiters.append(waiter)
                yield Wait(waiter)
                continue
            self._discovering = True
            failure: CountersignError | None = None
            try:
                yield from self._load()
            except CountersignError as error:
                failure = error
                raise
            finally:
                self._discovering = False
                self._end_discovery_waits(failure)

    def _refresh(self) -> Steps[None]:
        try:
            yield from self._load()
        except CountersignError as error:
            self._settings.logger.log(INFO, "discovery failed", extra={"countersign": {"code": error.code}})
        finally:
            self._discovering = False

    def _load(self) -> Steps[None]:
        request = Request("GET", f"{self._settings.url}/.well-known/countersign", [])
        answer: Answer = yield Send(request, self._settings.timeout_ms)
        self._keep(*discovery_of(answer, self._trusts))

    def _keep(self, discovery: Discovery, age_ms: float) -> None:
        self._discovery, self._discovered_ms, self._discovery_age_ms = (
            discovery,
            self._settings.now(),
            age_ms,
        )

    def _trusts(self, url: str) -> bool:
        return url in self._settings.regions or is_within(self._settings.url, url)

    def _end_discovery_waits(self, failure: CountersignError | None) -> None:
        for waiter in self._discovery_waiters:
            if waiter.set_running_or_notify_cancel():
                if failure:
                    waiter.set_exception(failure)
                else:
                    waiter.set_result(None)
        self._discovery_waiters.clear()

    # Key roll-over

    def _note_expiry(self, answer: Answer, signer: ApiKeySigner | KeyPairSigner) -> None:
        expires_at = answer.headers.get("countersign-key-expires")
        at_ms = http_date_ms(expires_at) if expires_at else None
        if at_ms is None:
            return
        self._keys.expires(signer, at_ms)
        if self._settings.on_key_rotated is None and not self._warned:
            self._warned = True
            self._settings.logger.log(
                WARNING,
                "the client's key ends at %s; set on_key_rotated to let the client replace it",
                _iso(at_ms),
                extra={"countersign": loggable({"expires_at": _iso(at_ms)})},
            )

    def _roll_over(self) -> Steps[None]:
        """
        Asks for the next key where it is time, and hands it to the application before it is used. A failure
        does not fail the call that has just succeeded: a later call tries again.
        """
        hook, logger = self._settings.on_key_rotated, self._settings.logger
        if hook is None or not self._keys.is_due():
            return
        asks = Call[RotatedKey](
            "POST", "/v1/keys", self._keys.read, "/v1/keys", self._keys.body, rolls_over=False
        )
        try:
            response = yield from self.call(asks)
            key = response.data
            yield Notify(hook, key)
        except Exception as error:
            failed: dict[str, object] = {}
            # The application's own error is named, and its text is not: it may quote the key.
            reason = type(error).__name__
            if isinstance(error, CountersignError):
                failed.update(code=error.code, status=error.status)
                reason = str(error)
            shown = {"countersign": loggable(failed)}
            logger.log(WARNING, "the next key is not in use: %s", reason, extra=shown)
        else:
            self._keys.adopt(key)
            fields = {"kid": key.kid, "expires_at": key.expires_at}
            logger.log(INFO, "key rotated", extra={"countersign": loggable(fields)})

    # What callers and logs see

    def _response(self, value: T, answer: Answer, state: _State) -> Response[T]:
        region = cast(RegionInfo, state.region)
        headers = shown_headers(answer.headers)
        return Response(value, answer.status, request_id_of(answer), region.name, state.attempts, headers)

    def _log(self, level: int, what: str, call: Call[Any], state: _State, **fields: object) -> None:
        if self._settings.logger.isEnabledFor(level):
            region = state.region.name if state.region else None
            shown = loggable(
                {
                    "method": call.method,
                    "route": call.route,
                    "region": region,
                    "attempt": state.attempts,
                    **fields,
                }
            )
            text = " ".join(f"{name}={value}" for name, value in shown.items())
            self._settings.logger.log(level, "%s %s", what, text, extra={"countersign": shown})


def _read_nonces(answer: Answer) -> list[str]:
    if answer.status != 200:
        raise answer_error(answer)
    value = answer.json()
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    found = members.get("nonces", [members.get("nonce")])
    nonces = cast("list[object]", found) if isinstance(found, list) else []
    texts = [nonce for nonce in nonces if isinstance(nonce, str) and _NONCE.fullmatch(nonce)]
    if not texts or len(texts) < len(nonces):
        raise unexpected_answer(answer)
    return texts


def _iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


__all__ = ["ApiError", "Call", "Core", "Effect", "Settings", "Steps", "Waiter"]
