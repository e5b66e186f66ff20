"""How a client signs: with an API key, or with a private key whose public key the platform has."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OctKey, OKPKey

from ._api_key import is_client_id, parse_api_key
from ._bytes import base64url, sha256
from ._errors import InvalidArgumentError
from ._http import Method

Alg = Literal["ES256", "Ed25519", "EdDSA"]
PrivateKey = ECKey | OKPKey | Mapping[str, str]
"""EC P-256 or Ed25519: a private JWK, or a key of joserfc."""


@dataclass(slots=True)
class Signable:
    """The contents of a proof, without the key and the client."""

    issuer: str
    method: Method
    url: str
    body: bytes
    now_s: float
    """Epoch seconds, by the server's clock."""
    life_s: int
    nonce: str | None = None


class Signer(Protocol):
    client_id: str
    kid: str
    profile: Literal["strict", "basic"]

    def sign(self, request: Signable) -> str:
        """Returns a proof, as a compact JWS (RFC 7515)."""
        ...


def create_signer(
    *,
    api_key: str | None = None,
    client_id: str | None = None,
    private_key: PrivateKey | None = None,
    alg: Alg | None = None,
    kid: str | None = None,
) -> ApiKeySigner | KeyPairSigner:
    """
    Raises InvalidArgumentError where the credential is missing or wrong. The message never quotes the key.
    """
    if api_key is not None and private_key is not None:
        raise InvalidArgumentError("api_key and private_key cannot be combined")
    if api_key == "":
        raise InvalidArgumentError("api_key is empty")
    if api_key is not None:
        for name, value in (("client_id", client_id), ("alg", alg), ("kid", kid)):
            if value is not None:
                raise InvalidArgumentError(f"{name} goes with private_key only: an API key contains it")
        return ApiKeySigner(api_key)
    if private_key is not None:
        return KeyPairSigner(client_id, private_key, alg, kid)
    raise InvalidArgumentError("api_key is missing (or client_id and private_key)")


class ApiKeySigner:
    """Signs with HS256; the key is the API key's UTF-8 bytes."""

    def __init__(self, api_key: str) -> None:
        self.client_id, self.kid, self.profile = parse_api_key(api_key)
        self.api_key = api_key
        self._key = secret_key(api_key.encode())

    def sign(self, request: Signable) -> str:
        if self.profile == "strict":
            return _strict_proof(request, self._key, "HS256", self.kid, self.client_id)
        # A proof of the basic profile (docs/protocol.md, "Basic profile"): it covers only the nonce and the
        # times.
        iat = math.floor(request.now_s)
        claims: dict[str, object] = {"iss": self.client_id, "iat": iat, "exp": iat + request.life_s}
        if request.nonce is not None:
            claims["nonce"] = request.nonce
        return _compact({"alg": "HS256", "typ": "JWT"}, claims, self._key)


class KeyPairSigner:
    """Signs with a key of the client's own: the platform has only the public key, which cannot sign."""

    profile: Literal["strict", "basic"] = "strict"

    def __init__(self, client_id: str | None, private_key: PrivateKey, alg: str | None, kid: str | None):
        if client_id is None or not is_client_id(client_id):
            raise InvalidArgumentError("client_id is missing or malformed")
        self.client_id = client_id
        self.key = _imported(private_key)
        natural = _algorithm_of(self.key)
        wanted = alg or self.key.as_dict(private=False).get("alg") or natural
        if natural is None or not (wanted == natural or (wanted == "EdDSA" and natural == "Ed25519")):
            raise InvalidArgumentError("private_key must be a private key for ES256, Ed25519 or EdDSA")
        self.alg: Alg = cast(Alg, wanted)
        self.kid = kid or self.key.thumbprint()

    def sign(self, request: Signable) -> str:
        return _strict_proof(request, self.key, self.alg, self.kid, self.client_id)


def secret_key(secret: bytes) -> OctKey:
    return cast(OctKey, OctKey.import_key(secret))


def _imported(key: object) -> ECKey | OKPKey:
    if isinstance(key, (ECKey, OKPKey)):
        return key
    if not isinstance(key, Mapping):
        raise InvalidArgumentError("private_key must be a JWK, or an ECKey or OKPKey of joserfc")
    # Only the members that make the key: `use` or `key_ops` would restrict it, and it signs only here.
    wanted = ("kty", "crv", "x", "y", "d", "alg")
    members = cast("Mapping[str, str]", key)
    jwk: dict[str, str | list[str]] = {name: members[name] for name in wanted if name in members}
    try:
        if jwk.get("kty") == "EC":
            return cast(ECKey, ECKey.import_key(jwk))
        return cast(OKPKey, OKPKey.import_key(jwk))
    except (JoseError, ValueError, TypeError, KeyError):
        # Drop the library's own message: it may quote the key.
        raise InvalidArgumentError("private_key is not a key for ES256, Ed25519 or EdDSA") from None


def _algorithm_of(key: ECKey | OKPKey) -> Alg | None:
    members = key.as_dict(private=False)
    if not key.is_private:
        return None
    return {"P-256": "ES256", "Ed25519": "Ed25519"}.get(str(members.get("crv")))  # type: ignore[return-value]


def _strict_proof(request: Signable, key: OctKey | ECKey | OKPKey, alg: str, kid: str, iss: str) -> str:
    """Builds a strict proof (docs/protocol.md, "Strict proof")."""
    iat = math.floor(request.now_s)
    claims: dict[str, object] = {
        "iss": iss,
        "aud": request.issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": iat,
        "exp": iat + request.life_s,
        "htm": request.method,
        "htu": request.url,
        "fingerprint": base64url(sha256(request.body)),
    }
    if request.nonce is not None:
        claims["nonce"] = request.nonce
    return _compact({"alg": alg, "typ": "countersign-proof+jwt", "kid": kid}, claims, key)


def sign_possession(
    key: ECKey | OKPKey, alg: Alg, *, iss: str, aud: str, nonce: str, old: str, now_s: float
) -> str:
    """Returns the proof that the client has a new private key (docs/protocol.md, "Key roll-over")."""
    claims: dict[str, object] = {"iss": iss, "aud": aud, "iat": math.floor(now_s), "nonce": nonce, "old": old}
    return _compact({"alg": alg, "typ": "countersign-possession+jwt"}, claims, key)


class _Registry(jws.JWSRegistry):
    """Allows one algorithm, without joserfc's warning: who registers a key as `EdDSA` has a reason."""

    def get_alg(self, name: str) -> Any:
        if self.allowed != [name]:
            raise UnsupportedAlgorithmError(f"{name} is not the key's algorithm")
        return self.algorithms[name]


REGISTRIES = {alg: _Registry(algorithms=[alg]) for alg in ("HS256", *get_args(Alg))}


def _compact(header: dict[str, str], claims: dict[str, object], key: OctKey | ECKey | OKPKey) -> str:
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
    return jws.serialize_compact(header, payload, key, registry=REGISTRIES[header["alg"]])
