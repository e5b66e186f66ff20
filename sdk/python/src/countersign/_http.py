"""Requests and answers as values, and how an answer is read."""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ._base_url import origin_of
from ._errors import CountersignError, UnexpectedAnswerError, problem_error
from ._text import safe

Method = Literal["GET", "POST", "DELETE"]

LONGEST_BODY = 1_048_576
"""
Longest body that is read, in bytes. A registration has at most 16 KB. Its answer may be about five times as
long, since `1e20` is returned with all its digits. The discovery document holds the operator's schema.
"""
_LONGEST_RETRY_AFTER_MS = 24 * 3600 * 1000
"""Longest Retry-After that is accepted, in milliseconds: a longer value counts as a day."""


@dataclass(slots=True)
class Request:
    method: Method
    url: str
    headers: list[tuple[str, str]]
    body: bytes = b""


@dataclass(slots=True)
class Answer:
    url: str
    """URL that was asked."""
    status: int
    headers: Mapping[str, str]
    """The names are in lower case."""
    body: bytes

    @property
    def origin(self) -> str:
        """Origin of the server that answered."""
        return origin_of(self.url)

    @property
    def asked(self) -> str:
        """URL that was asked, without its query."""
        return self.url.partition("?")[0]

    def json(self) -> object:
        """Returns the body, parsed as JSON; None where it is not JSON."""
        try:
            return json.loads(self.body.decode(errors="replace"))
        except (ValueError, RecursionError):
            return None


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def answer_error(answer: Answer) -> CountersignError:
    """Returns the error for an answer without success."""
    found = (
        problem_error(
            answer.json(),
            status=answer.status,
            request_id=request_id_of(answer),
            retry_after_ms=_retry_after(answer),
        )
        if answer.status >= 400
        else None
    )
    return found or unexpected_answer(answer)


def unexpected_answer(answer: Answer) -> UnexpectedAnswerError:
    """Returns the error for an answer of the wrong form."""
    return UnexpectedAnswerError(answer.asked, answer.status, request_id_of(answer))


def server_time_ms(answer: Answer) -> float | None:
    """Returns the answer's `Date` in epoch milliseconds, precise to the second; None where it has none."""
    return http_date_ms(answer.headers.get("date"))


def _retry_after(answer: Answer) -> float | None:
    """
    Reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date, which counts from the answer's own
    `Date`.
    """
    value = answer.headers.get("retry-after")
    if value is None:
        return None
    if re.fullmatch(r"\d{1,15}", value, re.ASCII):
        delay_ms = float(value) * 1000
    elif re.fullmatch(r"\d+", value, re.ASCII):
        delay_ms = _LONGEST_RETRY_AFTER_MS
    else:
        date, now = http_date_ms(value), server_time_ms(answer)
        if date is None or now is None:
            return None
        delay_ms = date - now
    return min(max(0, delay_ms), _LONGEST_RETRY_AFTER_MS)


_DATE = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS = {
    m: i + 1
    for i, m in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
}


def http_date_ms(text: str | None) -> float | None:
    """Reads an IMF-fixdate (RFC 9110, section 5.6.7). Other forms are ignored."""
    match = _DATE.fullmatch(text or "")
    month = _MONTHS.get(match[2]) if match else None
    if match is None or month is None:
        return None
    day, year, hour, minute, second = (int(match[i]) for i in (1, 3, 4, 5, 6))
    if not (1 <= day <= 31 and year >= 1 and hour < 24 and minute < 60 and second < 60):
        return None
    return calendar.timegm((year, month, day, hour, minute, second)) * 1000.0


def request_id_of(answer: Answer) -> str | None:
    found = answer.headers.get("countersign-request-id")
    return None if found is None else safe(found[:64])
