"""Whose an IP address is."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs.webhook_address import NAT64, reach


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("8.8.8.8", "public"),
        ("1.1.1.1", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("100.63.255.255", "public"),
        ("192.169.0.1", "public"),
        ("2606:4700:4700::1111", "public"),
        ("2a00:1450:4001:830::200e", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("64:ff9b::8.8.8.8", "public"),
        ("127.0.0.1", "private"),
        ("127.255.255.254", "private"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("::1", "private"),
        ("fd12:3456::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::192.168.0.1", "private"),
        ("0.0.0.0", "never"),  # noqa: S104
        ("169.254.169.254", "never"),
        ("169.254.170.2", "never"),
        ("100.100.100.200", "never"),
        ("168.63.129.16", "never"),
        ("fd00:ec2::254", "never"),
        ("192.0.0.192", "never"),
        ("192.0.2.1", "never"),
        ("198.18.0.1", "never"),
        ("224.0.0.1", "never"),
        ("240.0.0.1", "never"),
        ("255.255.255.255", "never"),
        ("::", "never"),
        ("::ffff:169.254.169.254", "never"),
        ("64:ff9b::169.254.169.254", "never"),
        ("64:ff9b:1::1", "never"),
        ("::127.0.0.1", "never"),
        ("2002:7f00:1::", "never"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "never"),
        ("2001:db8::1", "never"),
        ("fe80::1", "never"),
        ("fe80::1%eth0", "never"),
        ("fec0::1", "never"),
        ("ff02::1", "never"),
    ],
)
def test_an_address_is_whose_it_is(address, whose):
    assert reach(ip_address(address)) == whose


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_private(address):
    """Its registries are older than ours and differ by release, so it may know less but never better."""
    if reach(address) == "public":
        assert address.is_global or _inner(address).is_global
        assert not (address.is_private or address.is_loopback or address.is_link_local or address.is_multicast)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_is_what_it_is_outside(address):
    assert reach(IPv6Address(f"::ffff:{address}")) == reach(address)
    assert reach(IPv6Address(f"64:ff9b::{address}")) == reach(address)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """What NAT64 carries, or the address itself."""
    if isinstance(address, IPv6Address) and address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
