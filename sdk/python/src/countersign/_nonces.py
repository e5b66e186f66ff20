"""
The nonces of one Region; no other Region can redeem them. Each answer brings the next nonce, so a steady
stream of calls fetches none. Calls that find the pool empty at the same time share one request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from ._errors import CountersignError

_FRESH_MS = 5_000
"""Older nonces are dropped, long before they expire: a deletion makes the nonces from before it useless."""

Waiter = Future[str | None]
"""Gets a nonce; or None, where the call has to ask again."""


class NoncePool:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: list[tuple[str, float]] = []
        self._waiters: deque[Waiter] = deque()
        self._requested = 0
        """Number of nonces that were requested and have not arrived yet."""

    def put(self, nonce: str) -> None:
        """
        Adds a nonce that the Region has just issued: the call that has waited longest gets it, else the pool.
        """
        waiter = self._next_waiter()
        if waiter:
            waiter.set_result(nonce)
        else:
            self._held.append((nonce, self._now()))

    def pop(self) -> str | None:
        """Returns a nonce that no other call gets, if there is a fresh one."""
        if self._held:
            nonce, received_ms = self._held.pop()
            if abs(self._now() - received_ms) < _FRESH_MS:
                return nonce
            self._held.clear()
        return None

    def clear(self) -> None:
        """Drops every nonce in the pool."""
        self._held.clear()

    def join(self) -> Waiter:
        """Waits for a nonce."""
        waiter: Waiter = Future()
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Ends a wait that was given up. A nonce that has arrived for it goes to another call."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            nonce = waiter.result()
            if nonce is not None:
                self.put(nonce)

    def missing(self) -> int:
        """Returns how many calls wait for a nonce that nobody has requested."""
        return len(self._waiters) - self._requested

    def request(self, count: int) -> None:
        """Notes that a call requests `count` nonces."""
        self._requested += count

    def answered(self, count: int, error: CountersignError | None = None) -> None:
        """
        Notes that a request for `count` nonces has ended. With an error, as many calls fail as it was for.
        Whoever then waits for a nonce that nobody has requested asks again.
        """
        self._requested -= count
        for _ in range(count if error else 0):
            waiter = self._next_waiter()
            if waiter:
                waiter.set_exception(error)
        for _ in range(self.missing()):
            waiter = self._next_waiter()
            if waiter:
                waiter.set_result(None)

    def end(self, error: CountersignError) -> None:
        """Fails every call that waits."""
        while waiter := self._next_waiter():
            waiter.set_exception(error)

    def _next_waiter(self) -> Waiter | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            # False where the call was cancelled meanwhile.
            if waiter.set_running_or_notify_cancel():
                return waiter
        return None
