"""Options of a client, checked."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import Logger, getLogger

from ._base_url import is_base_url
from ._core import RequestEvent, RetryEvent, Settings
from ._errors import InvalidArgumentError
from ._keys import RotatedKey


@dataclass(slots=True)
class Internals:
    """Parts that tests replace."""

    now: Callable[[], float] = lambda: time.time() * 1000
    random: Callable[[], float] = random.random
    sleep: Callable[[float], object] | None = None
    """Passes the time of a wait, in milliseconds, in its place."""


def create_settings(
    *,
    url: str | None,
    regions: Sequence[str],
    timeout_ms: float,
    max_retries: float,
    retry_budget: float,
    logger: Logger | None,
    on_request: Callable[[RequestEvent], object] | None,
    on_retry: Callable[[RetryEvent], object] | None,
    on_quota_wait: Callable[[float], object] | None,
    on_key_rotated: Callable[[RotatedKey], object] | None,
    internals: Internals,
) -> Settings:
    """Raises InvalidArgumentError where an option is missing or wrong."""
    hooks = {
        "on_request": on_request,
        "on_retry": on_retry,
        "on_quota_wait": on_quota_wait,
        "on_key_rotated": on_key_rotated,
    }
    for name, hook in hooks.items():
        if hook is not None and not callable(hook):
            raise InvalidArgumentError(f"{name} must be a function")
    if isinstance(regions, str) or not isinstance(regions, Sequence):
        raise InvalidArgumentError("regions must be a list")
    require_number("timeout_ms", timeout_ms, 1, 2**31 - 1)
    require_number("max_retries", max_retries, 0)
    require_number("retry_budget", retry_budget, 0)
    return Settings(
        url=_base_url("url", os.environ.get("COUNTERSIGN_URL") if url is None else url),
        regions=[_base_url("each of regions", region) for region in regions],
        timeout_ms=timeout_ms,
        max_retries=max_retries,
        retry_budget=retry_budget,
        logger=logger or getLogger("countersign"),
        now=internals.now,
        random=internals.random,
        on_request=on_request,
        on_retry=on_retry,
        on_quota_wait=on_quota_wait,
        on_key_rotated=on_key_rotated,
    )


def _base_url(name: str, value: str | None) -> str:
    if not value:
        raise InvalidArgumentError(f"{name} is missing")
    url = value.removesuffix("/") if isinstance(value, str) else value
    if is_base_url(url):
        return url
    raise InvalidArgumentError(
        f"{name} must be a base URL: https (or http for this machine only), without user, query or fragment"
    )


_LARGEST = 2**53 - 1


def require_number(name: str, value: object, least: float, most: float = _LARGEST) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and least <= value <= most:  # type: ignore[operator]
        return
    bounds = f"of at least {least}" if most == _LARGEST else f"from {least} to {most}"
    raise InvalidArgumentError(f"{name} must be a number {bounds}")


def require_concurrency(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgumentError("concurrency must be a whole number of at least 1")
