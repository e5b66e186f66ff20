"""The checks of the fake platform reach every verdict of wire.json; its values are derived as there."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey
from vectors import decoded, vectors

from countersign._api_key import parse_api_key
from countersign.testing._checks import (
    STATUSES,
    ClientKey,
    ClientRecord,
    Context,
    Incoming,
    NonceKey,
    RefusedError,
    api_key_material,
    check_user,
    derive_api_key,
    derive_nonce_key,
    read_body,
    registration_id,
    verify,
)
from countersign.testing._json import entity_tag

WIRE = vectors("wire")


@pytest.mark.parametrize("v", WIRE["nonce_keys"])
def test_nonce_key(v: Any) -> None:
    assert derive_nonce_key(decoded(v["root"]), v["region"], v["ledger"]) == decoded(v["key"])


@pytest.mark.parametrize("v", WIRE["nonces"])
def test_nonce(v: Any) -> None:
    key = NonceKey(decoded(v["kid"]), decoded(v["key"]), v["region"])
    nonce = key.mint(v["client_id"], v["issued_ms"], v["life_ms"], decoded(v["random"]))
    assert nonce == v["nonce"]
    assert key.issued_ms(nonce, v["client_id"], v["issued_ms"], 0) == v["issued_ms"]


@pytest.mark.parametrize("v", WIRE["api_keys"])
def test_api_key(v: Any) -> None:
    root, salt = decoded(v["root"]), decoded(v["salt"])
    key = derive_api_key(root, salt, v["client_id"], v["generation"], v["profile"])
    assert key == v["api_key"]
    assert parse_api_key(key) == (v["client_id"], str(v["generation"]), v["profile"])


@pytest.mark.parametrize("v", WIRE["registration_ids"])
def test_registration_id(v: Any) -> None:
    assert registration_id(v["client_id"], v["user_id"]) == v["id"]


@pytest.mark.parametrize("v", WIRE["etags"])
def test_entity_tag(v: Any) -> None:
    assert entity_tag(v["data"]) == v["etag"]


CONTEXT = WIRE["checks"]["context"]


def clients() -> dict[str, ClientRecord]:
    found: dict[str, ClientRecord] = {}
    for client_id, client in CONTEXT["clients"].items():
        record = found[client_id] = ClientRecord(client_id, client["profile"], client["disabled"])
        for kid, key in client["keys"].items():
            jwk = key.get("jwk")
            if jwk:
                material = ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)
            else:
                root, salt = decoded(CONTEXT["client_root"]), decoded(client["salt"])
                material = api_key_material(
                    derive_api_key(root, salt, client_id, int(kid), client["profile"])
                )
            alg = jwk["alg"] if jwk else "HS256"
            record.keys[kid] = ClientKey(kid, alg, key["usable_at"], key["expires_at"], material)
    return found


CLIENTS = clients()


def test_all_verdicts_are_there() -> None:
    assert len(WIRE["checks"]["cases"]) == 143


@pytest.mark.parametrize("case", WIRE["checks"]["cases"], ids=lambda case: str(case["name"]))
def test_verdict(case: Any) -> None:
    key = derive_nonce_key(decoded(CONTEXT["nonce_root"]), CONTEXT["region"], CONTEXT["ledger"])
    context = Context(
        now_ms=CONTEXT["now_s"] * 1000,
        issuer=CONTEXT["issuer"],
        base_urls=CONTEXT["base_urls"],
        nonce_key=NonceKey(decoded(CONTEXT["nonce_kid"]), key, CONTEXT["region"]),
        clock_error_ms=CONTEXT["clock_error_ms"],
    )
    headers = {name: [value] if isinstance(value, str) else value for name, value in case["headers"].items()}
    request = Incoming(case["method"], case["path"], headers, decoded(case.get("body")))
    outcome: dict[str, object] = {"ok": True}
    try:
        verify(request, context, CLIENTS)
        if case["method"] == "POST":
            check_user(read_body(request.body))
    except RefusedError as refused:
        outcome = {"ok": False, "status": STATUSES[refused.code], "code": refused.code}
    assert outcome == case["expect"]
