"""The decisions in test/vectors/sdk-*.json, to which every client library is held."""

from __future__ import annotations

import math
from typing import Any

import pytest
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey, OKPKey
from vectors import decoded, vectors

from countersign._base_url import is_base_url, is_within
from countersign._discovery import discovery_of
from countersign._errors import (
    ApiError,
    ConnectionError,
    CountersignError,
    Problem,
    TimeoutError,
    UnexpectedAnswerError,
)
from countersign._http import Answer, answer_error, headers_of
from countersign._keys import open_api_key, roll_over_key
from countersign._loggable import loggable, shown_headers
from countersign._retry import RetryBudget, RetryLimits, Tried, next_attempt
from countersign._signer import REGISTRIES, ApiKeySigner
from countersign._text import safe

RETRY, PROBLEMS, DISCOVERY = vectors("sdk-retry"), vectors("sdk-problems"), vectors("sdk-discovery")
REDACTION, ROLL_OVER = vectors("sdk-redaction"), vectors("roll-over")


def named(case: Any) -> str:
    return str(case["name"])


def failure_of(given: Any) -> CountersignError:
    if given["kind"] == "connection":
        return ConnectionError("https://a.example.com", "ECONNREFUSED")
    if given["kind"] == "timeout":
        return TimeoutError("https://a.example.com", 10)
    if given["kind"] == "unexpected":
        return UnexpectedAnswerError("https://a.example.com", given["status"])
    problem = Problem(given["code"])
    return ApiError(status=given["status"], problem=problem, retry_after_ms=given.get("retry_after_ms"))


@pytest.mark.parametrize("case", RETRY["cases"], ids=named)
def test_retry(case: Any) -> None:
    limits = case["limits"]
    permits = [limits.get("permits", math.inf)]

    def permit() -> bool:
        permits[0] -= 1
        return bool(permits[0] >= 0)

    given = RetryLimits(
        max_retries=limits.get("max_retries", 4),
        other_region=limits.get("other_region", False),
        other_key=lambda: limits.get("other_key", False),
        permit=permit,
        random=lambda: limits.get("random", 0.5),
    )
    tried = Tried()
    for step in case["steps"]:
        found = next_attempt(failure_of(step["failure"]), tried, given)
        shown = found and {"wait_ms": found.wait_ms, "nonce": found.nonce, "region": found.region}
        assert shown == step["next"]


def test_budget() -> None:
    budget = RetryBudget(RETRY["budget"]["most"])
    for step in RETRY["budget"]["steps"]:
        for _ in range(step.get("succeed", 0)):
            budget.succeeded(step.get("by_retry", False))
        taken = 0
        while budget.take():
            taken += 1
        assert taken == step["take"]


def answer_of(url: str, answer: Any) -> Answer:
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    return Answer(url, answer["status"], headers, answer["body"].encode())


@pytest.mark.parametrize("case", PROBLEMS["cases"], ids=named)
def test_problem(case: Any) -> None:
    error = answer_error(answer_of(PROBLEMS["asked"], case["answer"]))
    problem = getattr(error, "problem", None)
    if problem:
        members = {name: value for name, value in vars(problem).items() if value is not None}
        if "errors" in members:
            members["errors"] = [vars(violation) for violation in members["errors"]]
        problem = members
    assert {
        "class": type(error).__name__,
        "code": error.code,
        "message": str(error),
        "status": error.status,
        "request_id": error.request_id,
        "retry_after_ms": getattr(error, "retry_after_ms", None),
        "problem": problem,
    } == case["error"]


@pytest.mark.parametrize("case", DISCOVERY["cases"], ids=named)
def test_discovery(case: Any) -> None:
    answer = answer_of(f"{case['url']}/.well-known/countersign", case["answer"])

    def trusts(url: str) -> bool:
        return is_within(case["url"], url) or url in case["trusted"]

    if "error" in case:
        with pytest.raises(CountersignError) as raised:
            discovery_of(answer, trusts)
        error = raised.value
        assert {"class": type(error).__name__, "code": error.code, "message": str(error)} == case["error"]
        return
    found, age_ms = discovery_of(answer, trusts)
    assert age_ms == case["max_age_ms"]
    assert found.issuer == case["issuer"]
    assert [{"name": region.name, "url": region.url} for region in found.regions] == case["regions"]
    assert found.proof_max_life_s == case["proof_max_life_s"]
    assert found.max_nonce_count == case["max_nonce_count"]


@pytest.mark.parametrize("case", DISCOVERY["base_urls"])
def test_base_url(case: Any) -> None:
    assert is_base_url(case["url"]) is case["is"]


@pytest.mark.parametrize("case", DISCOVERY["within"])
def test_within(case: Any) -> None:
    assert is_within(case["entry"], case["region"]) is case["is"]


@pytest.mark.parametrize("case", REDACTION["cases"])
def test_redaction(case: Any) -> None:
    assert safe(case["text"]) == case["shown"]


@pytest.mark.parametrize("case", REDACTION["fields"], ids=named)
def test_log_fields(case: Any) -> None:
    assert loggable(case["fields"]) == case["shown"]


@pytest.mark.parametrize("case", REDACTION["headers"], ids=named)
def test_shown_headers(case: Any) -> None:
    raw = [(name.encode(), value.encode()) for name, value in case["headers"].items()]
    assert shown_headers(headers_of(raw)) == case["shown"]


@pytest.mark.parametrize("case", ROLL_OVER["api_keys"])
def test_next_api_key(case: Any) -> None:
    current = ApiKeySigner(case["current_api_key"])
    key = roll_over_key(case["current_api_key"], case["client_id"], case["new_kid"])
    assert key == decoded(case["jwe_key"])
    assert open_api_key(case["api_key_jwe"], current, case["new_kid"]) == case["new_api_key"]
    # Another kid, a changed byte, and another client's key are refused.
    token = case["api_key_jwe"]
    assert open_api_key(token, current, "3") is None
    assert open_api_key(token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:], current, "2") is None
    secret = OctKey.import_key(key)
    foreign = jwe.encrypt_compact(
        {"alg": "dir", "enc": "A256GCM"},
        case["current_api_key"],
        secret,
        algorithms=["dir", "A256GCM"],
    )
    assert open_api_key(foreign, current, case["new_kid"]) is None


@pytest.mark.parametrize("case", ROLL_OVER["possession"])
def test_possession(case: Any) -> None:
    kind = ECKey if case["new_jwk"]["kty"] == "EC" else OKPKey
    old, new = kind.import_key(case["old_jwk"]), kind.import_key(case["new_jwk"])
    assert old.thumbprint() == case["old_thumbprint"]
    assert new.thumbprint() == case["new_thumbprint"]
    registry = REGISTRIES[case["new_jwk"]["alg"]]
    assert jws.deserialize_compact(case["possession"], new, registry=registry).payload
