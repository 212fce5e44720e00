"""How often somebody may do something that costs others: places that are taken for a while.

Each place is a key of the cache that ends by itself. Adding a key is atomic in every cache that Django has; counting is not in its
database cache, which is the one that all processes share and that a rolled-back request cannot undo.
"""

import time
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from django.core.cache import cache
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


@dataclass(frozen=True, slots=True)
class Allowance:
    """``places`` at once for everybody, each by their own name."""

    name: str
    places: int

    def take(self, who: str, *, seconds: int) -> str:
        """Take a place for so many seconds; returns its key, for ``give_back``. Raises Throttled (429, with Retry-After) when none is free."""
        now = time.time()
        owner = sha256(who.encode()).hexdigest()[:32]
        keys = [f"allowance:{self.name}:{owner}:{place}" for place in range(self.places)]
        taken = cache.get_many(keys)
        for key in keys:
            if key not in taken and cache.add(key, now + seconds, timeout=seconds):
                return key
        raise exceptions.Throttled(wait=max(1, min(taken.values(), default=now + 1) - now))


def give_back(place: str) -> None:
    """The place is free again: what it was taken for did not happen."""
    cache.delete(place)


def network_of(request: Request) -> str:
    """Where a request comes from, behind as many proxies as NUM_PROXIES says; of IPv6 the network, as one customer gets it (/64)."""
    text = BaseThrottle().get_ident(request) or ""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
