"""The platform's own description (`GET /.well-known/countersign`), and how much of it is believed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from ._base_url import is_base_url, origin_of
from ._errors import ForeignRegionsError
from ._http import Answer, answer_error, unexpected_answer


@dataclass(slots=True, frozen=True)
class RegionInfo:
    name: str
    url: str
    """Base URL."""


@dataclass(slots=True)
class Discovery:
    issuer: str
    """`aud` of every proof."""
    regions: Sequence[RegionInfo]
    """In the order of preference."""
    proof_max_life_s: int
    """Longest life of a proof, in seconds."""
    max_nonce_count: int
    """Largest number of nonces that one request returns."""


SHORTEST_AGE_MS = 60_000
"""
Shortest `max-age` that is followed, which is also the platform's own; and the wait after a failed refresh.
"""
_LONGEST_AGE_MS = 3_600_000
"""Longest `max-age` that is followed: the client notices a moved Region within this time."""
# Limits of the protocol (docs/protocol.md). The client does not follow a larger value in an answer.
_LONGEST_PROOF_LIFE_S = 300
_MOST_NONCES = 100
_MOST_REGIONS = 32


def discovery_of(answer: Answer, trusts: Callable[[str], bool]) -> tuple[Discovery, float]:
    """
    Reads the answer: the document, without the Regions that are not trusted, and how long it may be kept, in
    milliseconds. Raises a CountersignError where it cannot be used.
    """
    if answer.status == 429 or answer.status >= 500:
        raise answer_error(answer)
    named = _read(answer.json()) if answer.status == 200 else None
    if named is None:
        raise unexpected_answer(answer)
    regions = [region for region in named.regions if trusts(region.url)]
    if not regions:
        raise ForeignRegionsError(
            answer.origin, list(dict.fromkeys(origin_of(region.url) for region in named.regions))
        )
    named.regions = regions
    found = re.search(r"(?:^|[,\s])max-age=(\d{1,12})", answer.headers.get("cache-control", ""), re.I)
    age_ms = float(found[1]) * 1000 if found else 0
    return named, min(max(age_ms, SHORTEST_AGE_MS), _LONGEST_AGE_MS)


def _read(value: object) -> Discovery | None:
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, object]", value)
    issuer, regions = members.get("issuer"), members.get("regions")
    if not isinstance(issuer, str) or len(issuer) > 2048 or not isinstance(regions, list):
        return None
    listed = [_region(region) for region in cast("list[object]", regions)]
    known = [region for region in listed if region]
    if not known or len(known) < len(listed) or len(known) > _MOST_REGIONS:
        return None
    return Discovery(
        issuer=issuer,
        regions=known,
        proof_max_life_s=_positive(members.get("proof_max_life"), 60, _LONGEST_PROOF_LIFE_S),
        max_nonce_count=_positive(members.get("max_nonce_count"), 1, _MOST_NONCES),
    )


def _region(value: object) -> RegionInfo | None:
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, object]", value)
    name, url = members.get("name"), members.get("url")
    return (
        RegionInfo(name, url) if isinstance(name, str) and isinstance(url, str) and is_base_url(url) else None
    )


def _positive(value: object, otherwise: int, most: int) -> int:
    """Returns a number of at least 1 as a whole number, at most `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value) or value < 1:
        return min(otherwise, most)
    return int(min(value, most))
