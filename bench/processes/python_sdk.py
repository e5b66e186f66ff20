"""
CPU time of a registration with the Python SDK, beside a loop that a developer writes by hand with httpx and
joserfc; and the memory of the client over many registrations. Prints JSON.
"""

import asyncio
import hashlib
import json
import os
import secrets
import statistics
import sys
import time
import tracemalloc
from base64 import urlsafe_b64encode

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey

from countersign import AsyncClient, Client

URL, REGION, API_KEY = (os.environ[name] for name in ("BENCH_URL", "BENCH_REGION", "COUNTERSIGN_API_KEY"))
CLIENT_ID, GENERATION = API_KEY.split("_")[1:3]
KEY = OctKey.import_key(API_KEY.encode())
ROUNDS, USERS, CONCURRENCY = 7, 150, 16


def user(name: str, i: int) -> dict[str, str]:
    return {"user_id": f"bench-{name}-{i}-{secrets.token_hex(4)}", "email": "ada@example.com"}


def proof(body: bytes, nonce: str, issuer: str) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": CLIENT_ID,
        "aud": issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 120,
        "htm": "POST",
        "htu": f"{REGION}/v1/register",
        "nonce": nonce,
        "fingerprint": urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode(),
    }
    header = {"alg": "HS256", "typ": "countersign-proof+jwt", "kid": GENERATION}
    return {"Authorization": f"JWT {jwt.encode(header, claims, KEY)}", "Content-Type": "application/json"}


def by_hand() -> float:
    with httpx.Client(timeout=10) as http:
        issuer = http.get(f"{URL}/.well-known/countersign").json()["issuer"]
        nonce = http.get(f"{REGION}/v1/nonce", params={"client_id": CLIENT_ID}).json()["nonce"]
        begun = time.process_time()
        for i in range(USERS):
            body = json.dumps(user("hand", i)).encode()
            answer = http.post(f"{REGION}/v1/register", content=body, headers=proof(body, nonce, issuer))
            answer.raise_for_status()
            assert answer.json()["id"]
            nonce = answer.headers["Replay-Nonce"]
        return time.process_time() - begun


def by_sdk() -> float:
    with Client(url=URL, api_key=API_KEY) as client:
        client.register(user("sdk", -1))
        begun = time.process_time()
        for i in range(USERS):
            assert client.register(user("sdk", i)).id
        return time.process_time() - begun


async def by_hand_async() -> float:
    async with httpx.AsyncClient(timeout=10) as http:
        issuer = (await http.get(f"{URL}/.well-known/countersign")).json()["issuer"]
        params = {"client_id": CLIENT_ID, "count": CONCURRENCY}
        nonces = (await http.get(f"{REGION}/v1/nonce", params=params)).json()["nonces"]
        left = iter(range(USERS))
        begun = time.process_time()

        async def work(nonce: str) -> None:
            for i in left:
                body = json.dumps(user("hand", i)).encode()
                headers = proof(body, nonce, issuer)
                answer = await http.post(f"{REGION}/v1/register", content=body, headers=headers)
                answer.raise_for_status()
                assert answer.json()["id"]
                nonce = answer.headers["Replay-Nonce"]

        await asyncio.gather(*map(work, nonces))
        return time.process_time() - begun


async def by_sdk_async() -> float:
    async with AsyncClient(url=URL, api_key=API_KEY) as client:
        await client.register(user("sdk", -1))
        begun = time.process_time()
        users = (user("sdk", i) for i in range(USERS))
        async for result in client.register_batch(users, concurrency=CONCURRENCY):
            assert result.ok
        return time.process_time() - begun


class Canned(httpx.BaseTransport):
    """Answers every registration, and keeps nothing."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path == "/v1/nonce":
            return httpx.Response(200, json={"nonce": secrets.token_urlsafe(45)})
        if request.method == "GET":
            regions = [{"name": "a", "url": REGION}]
            return httpx.Response(200, json={"issuer": URL, "regions": regions})
        data = json.loads(request.read())
        stored = {"id": "x" * 43, "client_id": CLIENT_ID, "user_id": data["user_id"], "created_at": "x"}
        return httpx.Response(201, json={**stored, "data": data}, headers={"Replay-Nonce": secrets.token_urlsafe(45)})


def memory(first: int, last: int) -> tuple[int, int]:
    """The bytes that Python holds after the first and after the last registration of so many."""
    held = 0
    with Client(url=URL, api_key=API_KEY, transport=Canned()) as client:
        tracemalloc.start()
        for i in range(last):
            if i == first:
                held = tracemalloc.get_traced_memory()[0]
            client.register(user("memory", i))
        return held, tracemalloc.get_traced_memory()[0]


def main() -> None:
    ways = {
        "hand": by_hand,
        "sdk": by_sdk,
        "hand_async": lambda: asyncio.run(by_hand_async()),
        "sdk_async": lambda: asyncio.run(by_sdk_async()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            spent = way() / USERS
            # The first round only warms up.
            if number > 0:
                seconds[name].append(spent)
        print(f"round {number} of {ROUNDS}", file=sys.stderr)
    micros = {name: [round(s * 1e6, 1) for s in spent] for name, spent in seconds.items()}
    first, last = 1_000, 100_000
    begin, end = memory(first, last)
    medians = {name: statistics.median(spent) for name, spent in micros.items()}
    print(json.dumps({"micros": micros, "medians": medians, "memory": [first, begin, last, end]}))


main()
