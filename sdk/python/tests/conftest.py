from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

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


@pytest.fixture(scope="session")
def platform() -> dict[str, Any]:
    """
    The running platform, as `npm start -- --json` prints it, and weak networks before it.
    test/real/python-sdk.test.ts starts them.
    """
    return json.loads(os.environ["COUNTERSIGN_TEST_PLATFORM"])  # type: ignore[no-any-return]
