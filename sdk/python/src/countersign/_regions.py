"""
Chooses the Region for a call: the first that has not failed lately. It also remembers how long a Region asked
the client to wait. If the machine's clock is set, both end early rather than last too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._discovery import RegionInfo

_REST_MS = 30_000
"""
How long a failed Region is avoided, in milliseconds, while there is another: a random time up to twice this,
so that the clients of a Region that is back do not all return at once.
"""


class Regions:
    def __init__(self, preferred_url: str, now: Callable[[], float], random: Callable[[], float]) -> None:
        """`preferred_url`: if it is a Region's base URL, that Region comes first."""
        self._preferred_url = preferred_url
        self._now = now
        self._random = random
        # The Regions that have not answered since they failed: when they failed, and for how long they rest.
        self._failed: dict[str, tuple[float, float]] = {}
        self._held: dict[str, tuple[float, float]] = {}

    def pick(self, regions: Sequence[RegionInfo]) -> RegionInfo:
        """
        Returns the first Region that has not failed lately; if all have, the one that failed longest ago.
        Where a Region's rest is over, one call tries it, and the others go on elsewhere until it has
        answered.
        """
        ordered = sorted(regions, key=lambda region: region.url != self._preferred_url)
        chosen = next((region for region in ordered if not self._rests(region)), None)
        if chosen is None:
            chosen = min(ordered, key=lambda region: self._failed[region.url][0])
        if chosen.url in self._failed:
            self.failed(chosen)
        return chosen

    def any_healthy(self, regions: Sequence[RegionInfo]) -> bool:
        """Returns whether any Region has not failed lately."""
        return any(not self._rests(region) for region in regions)

    def failed(self, region: RegionInfo) -> None:
        self._failed[region.url] = (self._now(), _REST_MS * (1 + self._random()))

    def answered(self, region: RegionInfo) -> None:
        self._failed.pop(region.url, None)

    def hold(self, region: RegionInfo, for_ms: float) -> None:
        """Notes that the client's quota in the Region is spent, for `for_ms` milliseconds."""
        if for_ms > self.held_for_ms(region):
            self._held[region.url] = (self._now(), for_ms)

    def held_for_ms(self, region: RegionInfo) -> float:
        """Returns how long to send no request that counts against the quota, in milliseconds."""
        held = self._held.get(region.url)
        return max(0, held[1] - abs(self._now() - held[0])) if held else 0

    def _rests(self, region: RegionInfo) -> bool:
        failed = self._failed.get(region.url)
        return failed is not None and abs(self._now() - failed[0]) < failed[1]
