"""
Every way in which a call can fail: one class per meaning, each with a stable `code`. Errors get logged, so an
error holds only allow-listed members, and anything that looks like a key, proof or nonce is removed from the
server's texts.
"""

from __future__ import annotations

import builtins
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ._text import safe


class CountersignError(Exception):
    """Base class of every error that this library raises."""

    code: str
    """Stable code, for programs."""
    status: int | None = None
    """The answer's status, where there was an answer."""
    attempts: int | None = None
    """
    How often the call sent its request; 0 where something before it failed. None where no call was made.
    """
    request_id: str | None = None
    """Id of the request in the platform's log."""
    region: str | None = None
    """Name of the Region that was asked last."""

    def __init__(self, code: str, message: str) -> None:
        self.args = (message,)
        self.code = code

    @property
    def message(self) -> str:
        return cast(str, self.args[0])

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(cls: type[CountersignError], message: str, members: dict[str, Any]) -> CountersignError:
    error = cls.__new__(cls)
    error.args = (message,)
    error.__dict__.update(members)
    return error


E = TypeVar("E", bound=CountersignError)


def error_of_call(error: E, attempts: int, region: str | None, out_of_budget: bool) -> E:
    """
    Returns the error of one call. Several calls may share the error of a request for nonces or for discovery,
    but each has made its own attempts.
    """
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    own.attempts = attempts
    own.region = region
    if out_of_budget:
        # The call itself has sent nothing if the discovery before it failed.
        after = "" if attempts == 0 else f" after {attempts} {'attempt' if attempts == 1 else 'attempts'}"
        why = f"; not tried again{after}, since the client has used up its retry_budget"
        own.args = (own.message + why,)
    return own


class InvalidArgumentError(CountersignError, ValueError):
    """An option or argument is wrong; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_argument", message)


class ClientClosedError(CountersignError):
    """`close()` was called before or during the call."""

    def __init__(self) -> None:
        super().__init__("client_closed", "the client is closed")


class ConnectionError(CountersignError, builtins.ConnectionError):
    """No answer: name not resolved, connection refused, or broken before the answer was complete."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__("connection_failed", f"no answer from {origin}: {reason}")


class TimeoutError(CountersignError, builtins.TimeoutError):
    """No complete answer within `timeout_ms`."""

    def __init__(self, origin: str, timeout_ms: float) -> None:
        super().__init__("timeout", f"no answer from {origin} within {timeout_ms:g} ms")


class UnexpectedAnswerError(CountersignError):
    """The answer is not from a Countersign platform: another server answers at this URL."""

    def __init__(
        self,
        url: str,
        status: int,
        request_id: str | None = None,
        how: str = "in a form that is not Countersign's",
    ) -> None:
        super().__init__("unexpected_answer", f"{url} answered {status} {how}")
        self.status = status
        self.request_id = request_id


class ForeignRegionsError(CountersignError):
    """
    Every Region that the platform names is outside `url`'s host and not in `regions`: the client sends no
    proof there.
    """

    origins: Sequence[str]
    """Origins of the Regions."""

    def __init__(self, origin: str, origins: Sequence[str]) -> None:
        named = ", ".join(origins[:3]) + (", …" if len(origins) > 3 else "")
        super().__init__(
            "foreign_regions",
            f"{origin} names only Regions on other hosts ({named}): "
            "add those that you trust to the option regions",
        )
        self.origins = origins


@dataclass(frozen=True)
class Violation:
    """A bad field: an RFC 6901 pointer into the user, and a message."""

    pointer: str
    message: str


@dataclass(frozen=True)
class Problem:
    """A problem document (RFC 9457): its known members, without secrets."""

    code: str
    type: str | None = None
    title: str | None = None
    status: int | float | None = None
    detail: str | None = None
    instance: str | None = None
    errors: Sequence[Violation] | None = None


class ApiError(CountersignError):
    """The platform answered with a problem."""

    problem: Problem
    retry_after_ms: float | None
    """The answer's `Retry-After`, in milliseconds; at most a day."""

    def __init__(
        self,
        *,
        status: int,
        problem: Problem,
        request_id: str | None = None,
        retry_after_ms: float | None = None,
        message: str | None = None,
    ) -> None:
        texts = [text for text in (problem.title, problem.detail) if text]
        super().__init__(problem.code, message or ": ".join(texts) or problem.code)
        self.status = status
        self.problem = problem
        self.request_id = request_id
        self.retry_after_ms = retry_after_ms


class MalformedRequestError(ApiError):
    """400 `malformed_request` or `malformed_proof`: the request or the proof has the wrong form."""


class NonceRefusedError(ApiError):
    """401 `use_nonce`: the platform refused a fresh nonce too."""


class InvalidProofError(ApiError):
    """401 `invalid_proof`: wrong or unknown key, unknown client, or another platform's URL."""


class ClockSkewError(ApiError):
    """
    401 `clock_skew`: the platform refused the proof's times even after the client followed the server's
    clock; or the two clocks differ by more than ten minutes, and the message names both times.
    """


class KeyExpiredError(ApiError):
    """401 `key_expired`: the client needs a new key."""


class TokenRevokedError(ApiError):
    """401 `token_revoked`: the token was revoked."""


class ClientDisabledError(ApiError):
    """403 `client_disabled`: an operator disabled the client."""


class NotAllowedError(ApiError):
    """403 `not_allowed`: the client's profile may not do this."""


class NotFoundError(ApiError):
    """404 `not_found`: this client has no such registration."""


class RegistrationConflictError(ApiError):
    """409 `registration_conflict`: this user is registered with other data."""


class KeyExistsError(ApiError):
    """409 `key_exists`: the client has another next key already."""


class CursorGoneError(ApiError):
    """410 `cursor_gone`: events after the cursor may have been deleted; start from the beginning."""


class BodyTooLargeError(ApiError):
    """413 `body_too_large`: the user is longer than 16,384 bytes as JSON."""


class UnsupportedMediaTypeError(ApiError):
    """415 `unsupported_media_type`: a proxy changed the request's media type."""


class InvalidRegistrationError(ApiError):
    """422 `invalid_registration`: `errors` names every bad field, and the message the first of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.errors:
            return
        first, *others = self.errors
        more = f" (and {len(others)} more)" if others else ""
        self.args = (f"{self.message} {first.pointer or 'the user'}: {first.message}{more}",)

    @property
    def errors(self) -> Sequence[Violation]:
        """Each bad field: an RFC 6901 pointer into the user, and a message."""
        return self.problem.errors or ()


class QuotaExceededError(ApiError):
    """
    429 `quota_exceeded`, even after the retries; or `retry_after_ms` is longer than a call waits (a minute).
    """


class InternalServerError(ApiError):
    """500 `internal`, even after the retries."""


class UnavailableError(ApiError):
    """503 `unavailable`, in every Region that was tried."""


ERROR_CLASSES: Mapping[str, type[ApiError]] = {
    "malformed_request": MalformedRequestError,
    "malformed_proof": MalformedRequestError,
    "use_nonce": NonceRefusedError,
    "invalid_proof": InvalidProofError,
    "clock_skew": ClockSkewError,
    "key_expired": KeyExpiredError,
    "token_revoked": TokenRevokedError,
    "client_disabled": ClientDisabledError,
    "not_allowed": NotAllowedError,
    "not_found": NotFoundError,
    "registration_conflict": RegistrationConflictError,
    "cursor_gone": CursorGoneError,
    "key_exists": KeyExistsError,
    "body_too_large": BodyTooLargeError,
    "unsupported_media_type": UnsupportedMediaTypeError,
    "invalid_registration": InvalidRegistrationError,
    "quota_exceeded": QuotaExceededError,
    "internal": InternalServerError,
    "unavailable": UnavailableError,
}
"""The class for each problem code. A code that is not here gives an `ApiError`."""

_MOST_VIOLATIONS = 100


def problem_error(
    value: object, *, status: int, request_id: str | None, retry_after_ms: float | None
) -> ApiError | None:
    """Returns the error for a problem document; None where the value is not a problem document."""
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, object]", value)
    code = members.get("code")
    if not isinstance(code, str):
        return None

    def text(name: str) -> str | None:
        member = members.get(name)
        return safe(member) if isinstance(member, str) else None

    claimed, errors = members.get("status"), members.get("errors")
    problem = Problem(
        code=safe(code),
        type=text("type"),
        title=text("title"),
        status=claimed if isinstance(claimed, (int, float)) and not isinstance(claimed, bool) else None,
        detail=text("detail"),
        instance=text("instance"),
        errors=_violations(cast("list[object]", errors)) if isinstance(errors, list) else None,
    )
    cls = ERROR_CLASSES.get(code, ApiError)
    return cls(status=status, problem=problem, request_id=request_id, retry_after_ms=retry_after_ms)


def _violations(values: list[object]) -> Sequence[Violation]:
    found: list[Violation] = []
    for value in values:
        if not isinstance(value, dict) or len(found) == _MOST_VIOLATIONS:
            continue
        members = cast("dict[str, object]", value)
        pointer, message = members.get("pointer"), members.get("message")
        if isinstance(pointer, str) and isinstance(message, str):
            found.append(Violation(safe(pointer), safe(message)))
    return tuple(found)
