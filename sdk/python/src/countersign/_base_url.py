"""
Decides where requests may go. The discovery document names Regions, but it cannot decide which hosts are
trusted.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

# Only printable ASCII without `\`, a user, a query or a fragment: every URL parser then finds the same host.
_URL = re.compile(
    r"(https?)://([0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[!-[\]-~]*)?", re.ASCII | re.I
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# The part of a Region's host before the entry's, such as `eu-central-1.`. The entry's host has two labels or
# more.
_AWS_REGION = re.compile(
    r"^(af|ap|ca|cn|eu|il|me|mx|sa|us)(-gov)?-(central|(north|south)?(east|west)|north|south)-\d\.(?=[^.]+\.)"
)


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int


def _place(url: str) -> _Place | None:
    match = _URL.fullmatch(url)
    if not match or len(url) > 2048 or url.endswith("/") or re.search(r"[?#@]", url):
        return None
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3]) if match[3] else 443 if scheme == "https" else 80
    last = host.rstrip(".").rpartition(".")[2]
    # A host that ends in a number is an address, or nothing.
    if host.startswith("[") or last.isdigit():
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            return None
    return _Place(scheme, host, port) if last and port < 65_536 else None


def is_base_url(url: object) -> bool:
    """
    Returns whether a value is a base URL: https, or http for this machine only; no user, no `/` at the end,
    no query.
    """
    place = _place(url) if isinstance(url, str) else None
    return place is not None and (place.scheme == "https" or place.host in _LOOPBACK)


def is_within(entry: str, region: str) -> bool:
    """
    Returns whether a Region's URL is trusted beside the entry's: on the entry's host, or on a host below it.

    A host that begins with the name of an AWS Region belongs to that Region, and the rest of it is the
    entry's host. Then the entry and its other Regions are trusted as well. The port must be the same, except
    on this machine.
    """
    from_, to = _place(entry), _place(region)
    if from_ is None or to is None:
        return False
    if from_.host in _LOOPBACK:
        return to.host in _LOOPBACK
    if (to.scheme, to.port) != (from_.scheme, from_.port):
        return False
    if to.host == from_.host or to.host.endswith(f".{from_.host}"):
        return True
    domain = _AWS_REGION.sub("", from_.host)
    return domain != from_.host and _AWS_REGION.sub("", to.host) == domain


def origin_of(url: str) -> str:
    """Returns scheme, host and port of a URL that this library made or checked."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
