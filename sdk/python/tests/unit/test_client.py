"""What a client does about each answer and failure, both clients alike, against the fake platform."""

from __future__ import annotations

import copy
import logging
import pickle
from itertools import count
from typing import Any

import httpx
import pytest
from either import Make
from joserfc.jwk import ECKey, OKPKey

import countersign
from countersign import CountersignError, RequestEvent, RetryEvent, RotatedKey
from countersign.testing import FakePlatform, Seen

ADA = {"user_id": "ada", "email": "ada@example.com"}
DAY_MS = 24 * 3600 * 1000


def log(platform: FakePlatform) -> list[str]:
    return [f"{seen.method} {seen.region}{seen.path}" for seen in platform.requests]


def first(platform: FakePlatform, method: str, *faults: Any) -> None:
    """The first requests of a method fail so, each once."""
    left = list(faults)
    platform.fault = lambda seen: left.pop(0) if left and seen.method == method else None


def test_first_registration_takes_three_requests_and_the_next_one(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    found = client.register(ADA)
    assert (found.client_id, found.user_id, found.data, found.replayed) == ("test", "ada", ADA, False)
    assert client.register(ADA).replayed
    assert log(platform) == [
        "GET entry/.well-known/countersign",
        "GET a/v1/nonce",
        "POST a/v1/register",
        "POST a/v1/register",
    ]


def test_reads_and_deletes(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    id = client.register(ADA).id
    assert client.get(id).data == ADA
    client.delete(id)
    with pytest.raises(countersign.NotFoundError) as raised:
        client.get(id)
    error = raised.value
    assert (error.code, error.status, error.attempts, error.region) == ("not_found", 404, 1, "a")
    assert error.request_id
    with pytest.raises(countersign.NotFoundError):
        client.delete(id)


def test_registering_after_a_deletion_waits_and_takes_a_nonce_issued_then(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    client.delete(client.register(ADA).id)
    assert not client.register(ADA).replayed
    assert len(platform.waits) == 1
    assert 1_000 <= platform.waits[0] <= 5_000


def test_a_second_read_is_answered_without_the_data(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    id = client.register(ADA).id
    first_read, second = client.read(id), client.read(id)
    assert (first_read.status, second.status) == (200, 304)
    assert first_read.data == second.data
    client.delete(id)
    with pytest.raises(countersign.NotFoundError):
        client.get(id)
    assert "if-none-match" not in platform.requests[-1].headers


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "EdDSA"])
def test_a_key_pair_signs(make: Make, alg: Any) -> None:
    key = ECKey.generate_key("P-256") if alg == "ES256" else OKPKey.generate_key("Ed25519")
    platform = FakePlatform()
    assert platform.add_client("pair", jwk={**key.as_dict(private=False), "alg": alg}) == ""
    for private_key in (key, {**key.as_dict(private=True), "alg": alg, "use": "sig", "key_ops": ["sign"]}):
        client = make(platform, client_id="pair", private_key=private_key, alg=alg)
        assert client.register(ADA).client_id == "pair"


def test_a_basic_key_registers_and_reads_and_cannot_delete(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform, api_key=platform.add_client("simple", "basic"))
    id = client.register(ADA).id
    assert client.get(id).data == ADA
    with pytest.raises(countersign.NotAllowedError):
        client.delete(id)


def test_a_conflict_and_a_bad_user_are_said(make: Make) -> None:
    client = make(FakePlatform())
    client.register(ADA)
    with pytest.raises(countersign.RegistrationConflictError):
        client.register({**ADA, "email": "a@example.com"})
    with pytest.raises(countersign.InvalidRegistrationError) as raised:
        client.register({"userid": "ada"})
    assert [error.pointer for error in raised.value.errors] == ["/userid", "/user_id"]
    assert "/userid: is unknown (and 1 more)" in str(raised.value)


@pytest.mark.parametrize("fault", ["refuse", "lose", "timeout"])
def test_a_failed_region_is_left_at_once_and_avoided(make: Make, fault: Any) -> None:
    platform = FakePlatform()
    client = make(platform)
    client.register(ADA)
    platform.fault = lambda seen: fault if seen.region == "a" else None
    assert client.register(ADA).replayed
    client.register({"user_id": "grace"})
    assert platform.waits == []
    assert log(platform)[3:] == [
        "POST a/v1/register",
        "GET b/v1/nonce",
        "POST b/v1/register",
        "POST b/v1/register",
    ]
    # After its rest, one call tries the Region again.
    platform.fault = lambda seen: None
    platform.advance(61_000)
    client.register({"user_id": "edsger"})
    assert log(platform)[-1] == "POST a/v1/register"


def test_a_503_everywhere_is_retried_with_growing_waits_then_raised(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    platform.fault = lambda seen: platform.problem("unavailable") if seen.method == "POST" else None
    with pytest.raises(countersign.UnavailableError) as raised:
        client.register(ADA)
    assert raised.value.attempts == 6
    assert len(platform.waits) == 4
    assert all(wait <= limit for wait, limit in zip(platform.waits, (200, 400, 800, 1600), strict=True))


def test_no_proof_is_sent_twice(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    first(platform, "POST", "lose", "lose", "lose")
    assert client.register(ADA).replayed
    proofs = [seen.headers["authorization"] for seen in platform.requests if seen.method == "POST"]
    assert len(proofs) == 4
    assert len(set(proofs)) == 4


def test_a_spent_budget_is_said(make: Make) -> None:
    platform = FakePlatform(["a"])
    client = make(platform, retry_budget=1)
    platform.fault = lambda seen: "refuse" if seen.method == "POST" else None
    with pytest.raises(countersign.ConnectionError, match="after 2 attempts, since the client has used up"):
        client.register(ADA)
    with pytest.raises(ConnectionError):
        client.register(ADA)


def test_limits_of_one_call(make: Make) -> None:
    platform = FakePlatform(["a"])
    client = make(platform)
    platform.fault = lambda seen: "timeout" if seen.method == "POST" else None
    with pytest.raises(TimeoutError, match="within 250 ms") as raised:
        client.register(ADA, max_retries=0, timeout_ms=250)
    assert isinstance(raised.value, countersign.TimeoutError)
    assert raised.value.attempts == 1
    for options in ({"max_retries": -1}, {"timeout_ms": 0}, {"timeout_ms": "1"}):
        with pytest.raises(countersign.InvalidArgumentError):
            client.register(ADA, **options)


@pytest.mark.parametrize("skew_ms", [-500_000, -61_000, 0, 500_000])
def test_a_wrong_clock_is_corrected_once(make: Make, skew_ms: float) -> None:
    platform = FakePlatform()
    client = make(platform, skew_ms=skew_ms)
    client.register(ADA)
    client.register({"user_id": "grace"})
    posts = [line for line in log(platform) if line.startswith("POST")]
    # A proof is good for five minutes and a minute of leeway: a clock that is behind by less is not noticed.
    assert len(posts) == (2 if skew_ms in (0, -61_000) else 3)


@pytest.mark.parametrize("skew_ms", [-601_000, 601_000])
def test_a_clock_that_is_ten_minutes_off_is_said(make: Make, skew_ms: float) -> None:
    client = make(FakePlatform(), skew_ms=skew_ms)
    with pytest.raises(countersign.ClockSkewError, match="differ by more than 10 minutes"):
        client.register(ADA)


def test_a_spent_quota_is_waited_for_and_said_once(make: Make) -> None:
    platform = FakePlatform(limit=3)
    said: list[float] = []
    client = make(platform, on_quota_wait=said.append)
    results = client.batch(({"user_id": f"u{i}"} for i in range(7)), concurrency=1)
    assert [result.ok for result in results] == [True] * 7
    assert len(said) == 2
    refused = [seen for seen in platform.requests if seen.method == "POST"]
    assert len(refused) == 7 + 2


def test_a_lost_deletion_that_took_effect_succeeds(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    id = client.register(ADA).id
    first(platform, "DELETE", "lose")
    client.delete(id)


def test_calls_that_start_together_share_a_request_for_nonces(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    users = [{"user_id": f"u{i}"} for i in range(20)]
    results = client.together(*(("register", user) for user in users))
    assert all(isinstance(result, countersign.Registered) for result in results)
    assert log(platform).count("GET entry/.well-known/countersign") == 1
    assert log(platform).count("GET a/v1/nonce") == 1


def test_a_failed_request_for_nonces_fails_the_calls_that_wait_for_it(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform, max_retries=0)
    platform.fault = lambda seen: platform.problem("malformed_request") if "nonce" in seen.path else None
    results = client.together(*(("register", ADA) for _ in range(5)))
    assert [type(result) for result in results] == [countersign.MalformedRequestError] * 5
    assert len({id(result) for result in results}) == 5
    assert all(result.attempts == 0 for result in results)


def test_discovery_is_refreshed_beside_the_calls(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    client.register(ADA)
    platform.advance(61_000)
    platform.fault = lambda seen: "refuse" if seen.region == "entry" else None
    client.register(ADA)
    client.register(ADA)
    client.close()
    assert log(platform).count("GET entry/.well-known/countersign") == 2


def test_a_batch_has_a_result_for_each_user_and_reads_no_further_than_it_runs(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    progress: list[tuple[int, int]] = []
    users = [{"user_id": f"u{i}"} if i % 10 else {"userid": "x"} for i in range(50)]
    results = client.batch(
        users, concurrency=4, on_progress=lambda now: progress.append((now.registered, now.failed))
    )
    assert sorted(result.index for result in results) == list(range(50))
    for result in results:
        assert result.user is users[result.index]
        assert result.ok is (result.index % 10 > 0)
        if not result.ok:
            assert isinstance(result.error, countersign.InvalidRegistrationError)
    assert progress[-1] == (45, 5)


def test_the_error_of_a_source_comes_after_the_results(make: Make) -> None:
    def users() -> Any:
        yield ADA
        raise LookupError("no more")

    client = make(FakePlatform())
    with pytest.raises(LookupError, match="no more"):
        client.batch(users())
    assert client.register(ADA).replayed


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"concurrency": 1.5}, {"concurrency": True}, {"on_progress": 5}]
)
def test_a_wrong_option_of_a_batch_is_refused_at_once(make: Make, options: Any) -> None:
    client = make(FakePlatform())
    with pytest.raises(countersign.InvalidArgumentError):
        client.client.register_batch([ADA], **options)
    with pytest.raises(countersign.InvalidArgumentError):
        client.client.register_batch("ada")


def test_hooks_see_each_attempt(make: Make) -> None:
    platform = FakePlatform()
    requests: list[RequestEvent] = []
    retries: list[RetryEvent] = []
    client = make(platform, on_request=requests.append, on_retry=retries.append)
    first(platform, "POST", "refuse")
    response = client.registered(ADA)
    assert [(event.method, event.route, event.region, event.attempt) for event in requests] == [
        ("POST", "/v1/register", "a", 1),
        ("POST", "/v1/register", "b", 2),
    ]
    assert [(event.error.code, event.region, event.attempt) for event in retries] == [
        ("connection_failed", "a", 1)
    ]
    assert (response.status, response.region, response.attempts) == (201, "b", 2)
    assert response.request_id
    assert "replay-nonce" not in response.headers


def test_logs_hold_no_secret_and_no_user(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    platform = FakePlatform()
    client = make(platform)
    with caplog.at_level(logging.DEBUG, logger="countersign"):
        id = client.register(ADA).id
        client.get(id)
        with pytest.raises(CountersignError):
            client.register({"user_id": "ada", "email": "secret@example.com"})
    said = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "POST" in said
    assert "/v1/registrations/{id}" in said
    proofs = [seen.headers.get("authorization", "JWT -")[4:] for seen in platform.requests]
    for secret in (platform.api_key, "ada", "example.com", id, *(proof for proof in proofs if proof != "-")):
        assert secret not in said


def test_the_key_is_in_no_text_of_the_client(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform).client
    assert platform.api_key not in f"{client!r} {client}"


def test_errors_can_be_copied_and_pickled(make: Make) -> None:
    client = make(FakePlatform())
    with pytest.raises(countersign.InvalidRegistrationError) as raised:
        client.register({})
    for error in (copy.copy(raised.value), pickle.loads(pickle.dumps(raised.value))):  # noqa: S301
        assert type(error) is countersign.InvalidRegistrationError
        assert (str(error), error.errors, error.attempts) == (
            str(raised.value),
            raised.value.errors,
            1,
        )


@pytest.mark.parametrize("user", [5, None, "ada", ["ada"], {"user_id": {1}}, {"user_id": float("nan")}])
def test_a_user_that_json_cannot_express_is_refused_before_any_request(make: Make, user: Any) -> None:
    platform = FakePlatform()
    with pytest.raises(countersign.InvalidArgumentError):
        make(platform).register(user)
    assert platform.requests == []


@pytest.mark.parametrize("id", ["", "x", "x" * 42, "x" * 44, "/" * 43, 5])
def test_what_is_no_id_is_refused_before_any_request(make: Make, id: Any) -> None:
    platform = FakePlatform()
    with pytest.raises(countersign.InvalidArgumentError):
        make(platform).get(id)
    assert platform.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": ""}, "url is missing"),
        ({"url": "http://api.example.com"}, "url must be a base URL"),
        ({"regions": "https://a.example.com"}, "regions must be a list"),
        ({"regions": ["a"]}, "each of regions must be a base URL"),
        ({"api_key": ""}, "api_key is empty"),
        ({"api_key": "csk_test_1_x"}, "not an API key"),
        ({"api_key": None}, "api_key is missing"),
        ({"client_id": "test"}, "client_id goes with private_key only"),
        ({"timeout_ms": 0}, "timeout_ms must be a number from 1"),
        ({"max_retries": -1}, "max_retries must be a number of at least 0"),
        ({"retry_budget": "5"}, "retry_budget must be a number"),
        ({"on_retry": 5}, "on_retry must be a function"),
        ({"api_key": None, "private_key": {"kty": "RSA"}}, "client_id is missing"),
        ({"api_key": None, "client_id": "x y", "private_key": {}}, "client_id is missing or malformed"),
        ({"api_key": None, "client_id": "abc", "private_key": {"kty": "EC"}}, "private_key is not a key"),
    ],
)
def test_a_wrong_option_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch, options: Any, message: str
) -> None:
    monkeypatch.delenv("COUNTERSIGN_API_KEY", raising=False)
    with pytest.raises(countersign.InvalidArgumentError, match=message):
        make(FakePlatform(), **options)


def test_url_and_key_come_from_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = FakePlatform()
    monkeypatch.setenv("COUNTERSIGN_URL", platform.url)
    monkeypatch.setenv("COUNTERSIGN_API_KEY", platform.api_key)
    assert make.of(transport=platform).register(ADA).client_id == "test"


def test_an_answer_about_another_user_is_not_believed(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    other = client.register({"user_id": "grace"})
    content = {"id": other.id, "client_id": "test", "user_id": "grace", "created_at": "x", "data": {}}
    first(platform, "POST", httpx.Response(201, json=content))
    with pytest.raises(countersign.UnexpectedAnswerError):
        client.register(ADA)


@pytest.mark.parametrize("path", ["/.well-known/countersign", "/v1/nonce", "/v1/register"])
def test_an_answer_of_the_wrong_form_is_named_by_its_request_id(make: Make, path: str) -> None:
    platform = FakePlatform()
    answer = httpx.Response(200, json={}, headers={"Countersign-Request-Id": "abc"})
    platform.fault = lambda request: answer if request.path == path else None
    with pytest.raises(countersign.UnexpectedAnswerError) as raised:
        make(platform).register(ADA)
    assert raised.value.request_id == "abc"


def test_a_closed_client_says_so(make: Make) -> None:
    client = make(FakePlatform())
    client.close()
    with pytest.raises(countersign.ClientClosedError):
        client.register(ADA)


# Key roll-over


def near_its_end(platform: FakePlatform) -> None:
    platform.advance(77 * DAY_MS)


def posts_of_keys(platform: FakePlatform) -> int:
    return log(platform).count("POST a/v1/keys")


def test_a_key_rolls_over_unasked_and_is_handed_over_before_it_is_used(make: Make) -> None:
    platform = FakePlatform()
    rotated: list[RotatedKey] = []
    client = make(platform, on_key_rotated=rotated.append)
    client.register(ADA)
    assert rotated == []
    near_its_end(platform)
    client.register(ADA)
    assert [key.kid for key in rotated] == ["2"]
    key = rotated[0]
    assert key.api_key
    assert key.api_key.startswith("csk_test_2_")
    assert key.api_key not in repr(key)
    client.register(ADA)
    assert posts_of_keys(platform) == 1

    # From its time on, the client signs with the new key: the old one may end.
    platform.advance(61_000)
    del platform.clients["test"].keys["1"]
    assert client.register(ADA).replayed
    # What was handed over is a credential of its own.
    assert make(platform, api_key=key.api_key).register(ADA).replayed


@pytest.mark.parametrize("alg", ["ES256", "Ed25519"])
def test_a_key_pair_rolls_over(make: Make, alg: Any) -> None:
    key = ECKey.generate_key("P-256") if alg == "ES256" else OKPKey.generate_key("Ed25519")
    platform = FakePlatform()
    platform.add_client("pair", jwk={**key.as_dict(private=False), "alg": alg})
    rotated: list[RotatedKey] = []
    client = make(platform, client_id="pair", private_key=key, on_key_rotated=rotated.append)
    near_its_end(platform)
    client.register(ADA)
    assert rotated[0].private_key
    assert rotated[0].private_key["alg"] == alg
    platform.advance(61_000)
    del platform.clients["pair"].keys[key.thumbprint()]
    assert client.register(ADA).replayed
    # What was handed over is a credential of its own.
    later = make(platform, client_id="pair", private_key=rotated[0].private_key)
    assert later.register(ADA).replayed


def test_a_new_key_that_a_region_does_not_know_yet_gives_way_to_the_old(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform, on_key_rotated=lambda key: None)
    near_its_end(platform)
    client.register(ADA)
    platform.advance(61_000)
    known = platform.clients["test"].keys.pop("2")
    assert client.register(ADA).replayed
    kids = [kid_of(seen) for seen in platform.requests if seen.path == "/v1/register"]
    assert kids == ["1", "2", "1"]
    platform.clients["test"].keys["2"] = known
    platform.advance(61_000)
    client.register(ADA)
    assert kid_of(platform.requests[-1]) == "2"


def kid_of(seen: Seen) -> object:
    from joserfc.jws import extract_compact

    return extract_compact(seen.headers["authorization"][4:].encode()).headers()["kid"]


def test_a_failed_hand_over_leaves_the_old_key_and_is_tried_again_later(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    platform = FakePlatform()
    calls = count()
    keys: list[str | None] = []

    def keep(key: RotatedKey) -> None:
        keys.append(key.api_key)
        if next(calls) == 0:
            raise OSError(f"cannot write {key.api_key}")

    client = make(platform, on_key_rotated=keep)
    near_its_end(platform)
    with caplog.at_level(logging.INFO, logger="countersign"):
        client.register(ADA)
        client.register(ADA)
        assert posts_of_keys(platform) == 1
        platform.advance(3_601_000)
        client.register(ADA)
    assert posts_of_keys(platform) == 2
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert "the next key is not in use: OSError" in caplog.text
    assert str(keys[0]) not in caplog.text


def test_without_a_function_that_keeps_the_key_nothing_rolls_over_and_a_warning_says_so(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    platform = FakePlatform()
    client = make(platform)
    near_its_end(platform)
    client.register(ADA)
    client.register(ADA)
    assert posts_of_keys(platform) == 0
    assert caplog.text.count("set on_key_rotated") == 1


def test_a_platform_that_refuses_a_roll_over_fails_no_call(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform, on_key_rotated=lambda key: None)
    near_its_end(platform)
    platform.fault = lambda seen: platform.problem("internal") if seen.path == "/v1/keys" else None
    assert client.register(ADA).user_id == "ada"


def test_revoking_a_key_ends_its_whole_line() -> None:
    platform = FakePlatform()
    rotated: list[RotatedKey] = []
    with platform.client(on_key_rotated=rotated.append) as client:
        near_its_end(platform)
        client.register(ADA)
    platform.revoke_key("test", "1")
    assert platform.clients["test"].keys == {}


def test_events_are_read_page_by_page_and_resumed(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    ids = [client.register({"user_id": f"u{i}"}).id for i in range(101)]
    client.register({"user_id": "u0"})
    client.delete(ids[0])
    platform.requests.clear()
    events = client.events()
    assert [event.data["id"] for event in events] == [*ids, ids[0]]
    assert [event.type for event in events[-2:]] == ["registration.created", "registration.deleted"]
    assert [request.path.rpartition("/")[2] for request in platform.requests] == ["0", "c100", "c102"]
    # From any event on, none is missed, and less than a page is repeated.
    for number in (0, 98, 99, 100):
        left = [event.id for event in client.events(after=events[number].cursor)]
        missing = [event.id for event in events[number + 1 :]]
        assert left[-len(missing) :] == missing
        assert len(left) - len(missing) < 100
    assert client.events(after=events[-1].cursor) == []


def test_a_wrong_cursor_is_refused_before_any_request(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    for after in ("", "a/b", "x" * 513, None):
        with pytest.raises(countersign.InvalidArgumentError):
            client.events(after=after)
    assert platform.requests == []
    with pytest.raises(countersign.MalformedRequestError):
        client.events(after="no-cursor")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"events": [], "next": "a b"},
        {"events": [{}], "next": "c1"},
        {
            "events": [{"id": "x", "type": "x", "timestamp": "x", "data": {"client_id": "other"}}],
            "next": "c1",
        },
    ],
)
def test_a_page_of_the_wrong_form_or_of_another_client_is_not_believed(make: Make, content: Any) -> None:
    platform = FakePlatform()
    client = make(platform)
    platform.fault = lambda request: (
        httpx.Response(200, json=content) if request.path.startswith("/v1/events/") else None
    )
    with pytest.raises(countersign.UnexpectedAnswerError):
        client.events()


def test_a_cursor_that_is_gone_says_so(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    platform.fault = lambda request: (
        platform.problem("cursor_gone")
        if request.method == "GET" and (request.path.startswith("/v1/events/"))
        else None
    )
    with pytest.raises(countersign.CursorGoneError):
        client.events(after="c1")
