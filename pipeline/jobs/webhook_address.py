"""Whose an IP address is: the public's, a private network's, or one that nothing should be sent to.

The standard library's `is_global` follows IANA's registries as they were at its own release, and differs between
releases of Python 3.11; so the registries stand here. IANA IPv4 and IPv6 Special-Purpose Address Registries, 2025-10.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Reach = Literal["public", "private", "never"]
"""`private` is this machine and networks that people own; `never` is what no webhook is at."""


def _networks(*written: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, written))


METADATA: Final = _networks(
    "168.63.129.16",  # Azure; the only one of a public range
    "100.100.100.200",  # Alibaba
    "fd00:ec2::254",  # Amazon
    "fd20:ce::254",  # Google
)
"""Where cloud machines are given credentials, besides 169.254.0.0/16."""

PRIVATE: Final = _networks(
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # shared by carriers and overlay networks
    "::1",
    "fc00::/7",
)

SPECIAL: Final = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",  # link-local, and metadata
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays, withdrawn
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
    "2001::/23",  # protocol assignments, Teredo
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: an IPv4 address in disguise
    "3fff::/20",  # documentation
)

UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is handed out to the public; nothing else of it is public."""

NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: how a network that has only IPv6 reaches the IPv4 address in the last 32 bits."""


def reach(address: Address) -> Reach:
    """Whose an address is; an IPv4 address inside an IPv6 one counts as what it is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
        if inner is not None:
            return reach(inner)
    if _within(address, METADATA):
        return "never"
    if _within(address, PRIVATE):
        return "private"
    if _within(address, SPECIAL) or (isinstance(address, IPv6Address) and address not in UNICAST):
        return "never"
    return "public"


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
