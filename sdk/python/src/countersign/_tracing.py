"""
A span for each call, where the application has OpenTelemetry. Names of attributes are OpenTelemetry's own
(Semantic Conventions, "HTTP client"), or begin with `countersign.`.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol, TypeVar

from ._errors import CountersignError


class _Outcome(Protocol):
    @property
    def status(self) -> int | None: ...
    @property
    def attempts(self) -> int | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def request_id(self) -> str | None: ...


R = TypeVar("R", bound=_Outcome)


@lru_cache(maxsize=1)
def _api() -> ModuleType | None:
    """Returns OpenTelemetry's API, where it is installed. Nothing is imported before the first call."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def traced(method: str, route: str, steps: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
    """Takes the steps of a call within a span of its own."""
    trace = _api()
    if trace is None:
        return (yield from steps)
    span_of_call = trace.get_tracer("countersign").start_as_current_span(
        f"{method} {route}",
        kind=trace.SpanKind.CLIENT,
        attributes={"http.request.method": method, "url.template": route},
        # Its text may hold anything, if it is the application's own.
        record_exception=False,
        set_status_on_exception=False,
    )
    with span_of_call as span:
        try:
            response = yield from steps
        except CountersignError as error:
            span.set_attributes({**_outcome(error), "error.type": error.code})
            span.set_status(trace.Status(trace.StatusCode.ERROR, error.message))
            raise
        except BaseException:
            span.set_attribute("error.type", "_OTHER")
            span.set_status(trace.Status(trace.StatusCode.ERROR))
            raise
        span.set_attributes(_outcome(response))
        return response


def _outcome(of: _Outcome) -> dict[str, str | int]:
    found = {
        "http.response.status_code": of.status,
        "http.request.resend_count": of.attempts - 1 if of.attempts and of.attempts > 1 else None,
        "countersign.region": of.region,
        "countersign.request_id": of.request_id,
    }
    return {name: value for name, value in found.items() if value is not None}
