"""What may be logged or shown of a call: these members, and no others."""

from __future__ import annotations

from collections.abc import Mapping

from ._text import safe

_FIELDS = frozenset(
    {"method", "route", "region", "status", "code", "attempt", "wait_ms", "request_id", "kid", "expires_at"}
)
_HEADERS = frozenset(
    {
        "cache-control",
        "content-length",
        "content-type",
        "countersign-key-expires",
        "countersign-request-id",
        "date",
        "etag",
        "idempotency-replayed",
        "location",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
    }
)


def loggable(fields: Mapping[str, object]) -> dict[str, str | float]:
    """Returns the allowed members. Texts lose what looks like a secret; a URL or a user is never there."""
    shown: dict[str, str | float] = {}
    for name, value in fields.items():
        if name in _FIELDS and value is not None:
            shown[name] = value if isinstance(value, (int, float)) else safe(str(value))
    return shown


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns an answer's headers that hold no secret: a nonce is one."""
    return {name: safe(value) for name, value in headers.items() if name in _HEADERS}
