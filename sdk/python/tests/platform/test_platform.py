"""Both clients against the whole platform: the real handlers, over HTTP, on real stores."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from through import through

import countersign
from countersign import AsyncClient, BatchResult, Client, Event, RotatedKey
from countersign._http import Request

Platform = dict[str, Any]


def options(platform: Platform, profile: str = "strict") -> dict[str, Any]:
    key = next(client["api_key"] for client in platform["clients"] if client["profile"] == profile)
    return {"url": platform["entry"], "api_key": key}


def sockets() -> int:
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except OSError:
            # The descriptor of the listing itself.
            continue
    return found


def test_the_main_job(platform: Platform) -> None:
    user: countersign.User = {"user_id": "py-ada", "email": "ada@example.com", "attributes": {"born": 1815}}
    with Client(**options(platform)) as client:
        found = client.register(user)
        assert (found.data, found.replayed) == (user, False)
        assert client.register(user).replayed
        assert client.get(found.id) == client.get(found.id)
        assert client.with_response.get(found.id).status == 304
        with pytest.raises(countersign.RegistrationConflictError):
            client.register({**user, "email": "a@example.com"})
        with pytest.raises(countersign.InvalidRegistrationError):
            client.register({"user_id": ""})
        client.delete(found.id)
        with pytest.raises(countersign.NotFoundError):
            client.get(found.id)
        assert not client.register(user).replayed


def test_the_main_job_with_asyncio(platform: Platform) -> None:
    async def main() -> None:
        async with AsyncClient(**options(platform)) as client:
            found = await client.register({"user_id": "py-grace"})
            assert (await client.get(found.id)).data == {"user_id": "py-grace"}
            await client.delete(found.id)
            with pytest.raises(countersign.NotFoundError):
                await client.delete(found.id)

    asyncio.run(main())


def test_a_basic_key_registers_and_cannot_delete(platform: Platform) -> None:
    with Client(**options(platform, "basic")) as client:
        found = client.register({"user_id": "py-basic"})
        assert client.get(found.id).user_id == "py-basic"
        with pytest.raises(countersign.NotAllowedError):
            client.delete(found.id)


def test_a_key_rolls_over(platform: Platform) -> None:
    rotated: list[RotatedKey] = []
    with Client(url=platform["entry"], api_key=platform["ending"], on_key_rotated=rotated.append) as client:
        client.register({"user_id": "py-before"})
        key = rotated[0]
        assert key.api_key
        assert key.kid == "2"
        client.register({"user_id": "py-after"})
        assert len(rotated) == 1
    with Client(url=platform["entry"], api_key=key.api_key) as later:
        assert later.register({"user_id": "py-after"}).replayed


def test_a_key_pair_rolls_over(platform: Platform) -> None:
    rotated: list[RotatedKey] = []
    pair = {"client_id": platform["pair"]["client_id"], "private_key": platform["pair"]["jwk"]}
    with Client(url=platform["entry"], **pair, on_key_rotated=rotated.append) as client:
        client.register({"user_id": "py-before"})
        assert rotated
        client.register({"user_id": "py-after"})
    pair["private_key"] = rotated[0].private_key
    with Client(url=platform["entry"], **pair) as later:
        assert later.register({"user_id": "py-after"}).replayed


def test_events_are_read_and_resumed(platform: Platform) -> None:
    with Client(url=platform["entry"], api_key=platform["events"]) as client:
        registered = [client.register({"user_id": f"py-event-{i}"}).id for i in range(3)]
        client.delete(registered[0])
        events: list[Event] = []
        while len(events) < 4:
            time.sleep(0.1)
            events = list(client.events())
        created = [event.data["id"] for event in events if event.type == "registration.created"]
        assert sorted(created) == sorted(registered)
        assert {event.type for event in events} == {"registration.created", "registration.deleted"}
        assert all(re.fullmatch(r"evt_[\w-]{43}", event.id) for event in events)
        assert list(client.events(after=events[-1].cursor)) == []
        client.register({"user_id": "py-event-later"})
        later: list[Event] = []
        while not later:
            time.sleep(0.1)
            later = list(client.events(after=events[-1].cursor))
        assert [event.type for event in later] == ["registration.created"]


USERS = 1_000
# Half-open connections end by this.
WEAK: dict[str, Any] = {"timeout_ms": 3_000}


def users(prefix: str) -> Iterator[countersign.User]:
    for i in range(USERS):
        yield {"user_id": f"{prefix}-{i}"}


def accounted(results: Sequence[BatchResult[Any]], prefix: str, platform: Platform) -> int:
    """Every user has one result; who is registered is registered once, and nobody else says to be."""
    assert sorted(result.index for result in results) == list(range(USERS))
    registered = [result for result in results if result.ok]
    ids = {result.registration.id for result in registered if result.ok}
    assert len(ids) == len(registered)
    for result in results:
        if not result.ok:
            assert result.error.code in ("connection_failed", "timeout", "unexpected_answer", "unavailable")
    with Client(**options(platform)) as client:
        sample = registered[::50]
        for result in sample:
            assert client.get(result.registration.id).user_id == f"{prefix}-{result.index}"
    return len(registered)


@pytest.mark.parametrize(("share", "least"), [("0.1", 990), ("0.3", 951)])
def test_a_weak_network(platform: Platform, share: str, least: int) -> None:
    port, prefix = platform["proxies"][share], f"py-sync-{share}"
    before = sockets()
    with Client(**options(platform), **WEAK) as client:
        through(client, port)
        results = list(client.register_batch(users(prefix), concurrency=16))
    assert accounted(results, prefix, platform) >= least
    assert sockets() == before
    assert [thread for thread in threading.enumerate() if thread is not threading.main_thread()] == []


@pytest.mark.parametrize(("share", "least"), [("0.1", 990), ("0.3", 951)])
def test_a_weak_network_with_asyncio(platform: Platform, share: str, least: int) -> None:
    port, prefix = platform["proxies"][share], f"py-async-{share}"

    async def main() -> list[BatchResult[Any]]:
        before = sockets()
        async with AsyncClient(**options(platform), **WEAK) as client:
            through(client, port)
            results = [result async for result in client.register_batch(users(prefix), concurrency=16)]
        await asyncio.sleep(0)
        assert sockets() == before
        return results

    assert accounted(asyncio.run(main()), prefix, platform) >= least


def test_a_half_open_connection_ends_by_the_timeout(platform: Platform) -> None:
    with Client(**options(platform), timeout_ms=300, max_retries=0) as client:
        through(client, platform["silent"])
        begun = time.monotonic()
        with pytest.raises(countersign.TimeoutError):
            client.register({"user_id": "py-silent"})
        assert time.monotonic() - begun < 3


def test_a_call_under_way_ends_when_its_client_closes(platform: Platform) -> None:
    client = Client(**options(platform), timeout_ms=60_000, max_retries=0)
    through(client, platform["silent"])
    raised: list[BaseException] = []

    def call() -> None:
        try:
            client.register({"user_id": "py-closed"})
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not client._own._backend.streams:  # type: ignore[union-attr]
        time.sleep(0.01)
    time.sleep(0.1)
    client.close()
    thread.join(10)
    assert [type(error) for error in raised] == [countersign.ClientClosedError]


def test_a_call_under_way_ends_when_its_client_closes_with_asyncio(platform: Platform) -> None:
    async def main() -> None:
        client = AsyncClient(**options(platform), timeout_ms=60_000, max_retries=0)
        through(client, platform["silent"])
        call = asyncio.create_task(client.register({"user_id": "py-closed"}))
        await asyncio.sleep(0.1)
        await client.aclose()
        with pytest.raises(countersign.ClientClosedError):
            await call
        # A task that its owner cancels stays cancelled.
        client = AsyncClient(**options(platform), timeout_ms=60_000)
        through(client, platform["silent"])
        call = asyncio.create_task(client.register({"user_id": "py-cancelled"}))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.aclose()

    asyncio.run(main())


def test_an_answer_that_trickles_ends_by_the_timeout(platform: Platform) -> None:
    from countersign._transport import SyncTransport, exchange

    transport = SyncTransport()
    begun = time.monotonic()
    with pytest.raises(countersign.TimeoutError):
        exchange(transport, Request("GET", platform["trickle"], []), 500)
    assert time.monotonic() - begun < 3
    transport.close()
