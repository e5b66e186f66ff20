"""
Decides the next step after a failed attempt. A retry never sends a proof twice: each attempt signs a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ._errors import ConnectionError, CountersignError, TimeoutError


@dataclass(slots=True)
class Next:
    """The next attempt: when, with which nonce, and where."""

    wait_ms: float
    nonce: Literal["fresh", "new"]
    """
    `fresh`: a nonce from the pool, which may be the one that the answer brought. `new`: one that is fetched
    after the wait.
    """
    region: Literal["same", "best"]
    """`best`: the first Region that has not failed lately."""


@dataclass(slots=True)
class Tried:
    """
    The steps that this call has taken. Each remedy is taken once; a call backs off at most `max_retries`
    times.
    """

    remedies: set[str] = field(default_factory=set[str])
    retries: int = 0
    quota_waits: int = 0
    """How often the call waited for its client's quota."""


@dataclass(slots=True)
class RetryLimits:
    max_retries: float
    other_region: bool
    """Whether there is another Region that has not failed lately."""
    other_key: Callable[[], bool]
    """Changes to another key of the client; False where there is none."""
    permit: Callable[[], bool]
    """Takes a permit from the budget that all calls share; False where none is left."""
    random: Callable[[], float]
    """Returns a number in [0, 1)."""


_BASE_MS = 200
_CAP_MS = 10_000
_LONGEST_WAIT_MS = 60_000
"""A call that would have to wait longer fails instead; its error has `retry_after_ms`."""
_QUOTA_WAITS = 10
"""How many quota windows one call waits for. Other calls may use up each window first."""
_REGION_FAILURES = frozenset({500, 502, 503, 504})
"""A fault of the Region's function, or of what lies before it."""


def next_attempt(failure: CountersignError, tried: Tried, limits: RetryLimits) -> Next | None:
    """Returns the next attempt; None where the failure is final."""
    code, status = failure.code, failure.status
    retry_after_ms: float = getattr(failure, "retry_after_ms", None) or 0

    def once(remedy: str, then: Next) -> Next | None:
        if remedy in tried.remedies:
            return None
        tried.remedies.add(remedy)
        return then

    is_of_region = is_region_failure(failure)
    # This Region cannot serve, however long it asks to wait: try another at once, with a nonce from there.
    # This costs no retry, but happens only once.
    if is_of_region and limits.other_region and "fail-over" not in tried.remedies:
        return once("fail-over", Next(0, "fresh", "best"))
    # The wait would be longer than a call may wait: let the caller decide.
    if retry_after_ms > _LONGEST_WAIT_MS:
        return None
    # The nonce is older than a deletion, and so would be a nonce issued now: wait for Retry-After, then fetch
    # one.
    if code == "use_nonce" and retry_after_ms > 0:
        return once("wait-for-deletion", Next(retry_after_ms, "new", "same"))
    # The nonce is expired, used, or from another Region: sign again with the one that the answer brought.
    if code == "use_nonce":
        return once("sign-again", Next(0, "fresh", "same"))
    # The client has another key: a Region may not know its next key yet.
    refused = code in ("invalid_proof", "key_expired")
    if refused and "other-key" not in tried.remedies and limits.other_key():
        return once("other-key", Next(0, "fresh", "same"))
    # The caller has followed the answer's Date: sign again. Retry-After is set only if the answer brought no
    # nonce.
    if code == "clock_skew":
        return once("correct-clock", Next(retry_after_ms, "fresh", "same"))
    # The quota is spent: wait for Retry-After. This costs no retry, since the platform asked for it.
    if status == 429 and retry_after_ms > 0:
        if tried.quota_waits >= _QUOTA_WAITS:
            return None
        wait_ms = retry_after_ms + _backoff_ms(tried.quota_waits, limits.random)
        tried.quota_waits += 1
        return Next(wait_ms, "fresh", "same")
    # Any other failure would repeat.
    if not is_of_region and status != 429:
        return None
    # Everything else backs off, within the budget. The nonce may be used up, so the next attempt takes
    # another.
    if tried.retries >= limits.max_retries or not limits.permit():
        return None
    wait_ms = retry_after_ms + _backoff_ms(tried.retries, limits.random)
    tried.retries += 1
    return Next(wait_ms, "fresh", "best" if is_of_region else "same")


def is_region_failure(failure: CountersignError) -> bool:
    """
    Returns whether the Region cannot serve now, so that another may be tried. The request may have taken
    effect nevertheless: registering and deleting are idempotent in all Regions together.
    """
    return isinstance(failure, (ConnectionError, TimeoutError)) or failure.status in _REGION_FAILURES


def _backoff_ms(retries: int, random: Callable[[], float]) -> float:
    """
    Returns a random wait in milliseconds, from zero to a limit that doubles with each retry ("full jitter").
    """
    return random() * min(_CAP_MS, _BASE_MS * 2.0**retries)


_PERMITS_PER_SUCCESS = 0.1


class RetryBudget:
    """
    Limits the retries of all calls of a client together. When a platform is in trouble, retries that fail
    then add at most a tenth to the requests. A retry that succeeds gives its permit back: where a network
    loses requests here and there, retries help.
    """

    def __init__(self, most: float) -> None:
        """`most`: retries that are left at first, and at most."""
        self._most = most
        self._permits = most

    def take(self) -> bool:
        if self._permits < 1:
            return False
        self._permits -= 1
        return True

    def succeeded(self, by_retry: bool) -> None:
        """`by_retry`: the call took a permit for its last attempt."""
        self._permits = min(self._most, self._permits + (1 if by_retry else _PERMITS_PER_SUCCESS))
