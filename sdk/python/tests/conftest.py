from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from either import Make


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    loop = asyncio.new_event_loop()
    made = Make(request.param, loop)
    yield made
    for client in made.made:
        client.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
