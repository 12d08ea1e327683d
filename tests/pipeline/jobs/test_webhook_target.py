"""Where a webhook may lead."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx
import pytest
from hypothesis import example, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from pipeline.errors import InvalidRequest, MouthpieceError
from pipeline.jobs.webhook_address import reach
from pipeline.jobs.webhook_target import Target, Targets
from pipeline.settings import Webhooks


def find(url: str, **settings) -> Target:
    targets = Targets(Webhooks.model_validate(settings))
    try:
        return asyncio.run(targets.find(url))
    finally:
        targets.close()


def refused(url: str, **settings) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        find(url, **settings)
    assert caught.value.field == "webhook"
    assert caught.value.status == 422
    return caught.value


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/hook", "https://1.1.1.1:8443/", "https://[2606:4700:4700::1111]/x?y=1"]
)
def test_a_public_address_may_be_called(url):
    target = find(url)
    assert str(target.url) == url
    assert target.at(target.addresses[0]) == target.url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST:80/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://[fd00::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:192.168.1.1]/",
        "http://100.64.0.1/",
    ],
)
def test_a_private_address_only_where_the_settings_say_so(url):
    assert refused(url).code == "webhook_address"
    assert find(url, private_networks=True).addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[fe80::1]/",
    ],
)
def test_addresses_of_nobody_and_of_credentials_are_refused_whatever_the_network(url):
    assert refused(url).code == "webhook_address"
    assert refused(url, private_networks=True).code == "webhook_address"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost/", "localhost"),
        ("http://LocalHost:8080/", "LOCALHOST."),
        ("http://[::1]/", "0:0:0:0:0:0:0:1"),
        ("http://169.254.169.254/", "169.254.169.254"),
    ],
)
def test_a_host_that_is_named_may_be_called_wherever_it_is(url, host):
    assert find(url, hosts=[host]).addresses
    assert refused(url, hosts=["other.example", "calhost", "ocalhost", "localhost.example"])


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_webhook"),
        ("example", "invalid_webhook"),
        ("ftp://8.8.8.8/", "invalid_webhook"),
        ("file:///etc/passwd", "invalid_webhook"),
        ("http://", "invalid_webhook"),
        ("http:///path", "invalid_webhook"),
        ("http://8.8.8.8:0/", "invalid_webhook"),
        ("http://8.8.8.8:65536/", "invalid_webhook"),
        ("http://8.8.8.8:port/", "invalid_webhook"),
        ("http://a\nb/", "invalid_webhook"),
        ("http://\x00/", "invalid_webhook"),
        ("http://user@8.8.8.8/", "webhook_credentials"),
        ("http://user:password@8.8.8.8/", "webhook_credentials"),
        ("http://8.8.8.8@127.0.0.1/", "webhook_credentials"),
        ("http://8.8.8.8\\@127.0.0.1/", "webhook_credentials"),
        ("http://2130706433/", "webhook_host"),
        ("http://0x7f000001/", "webhook_host"),
        ("http://0x7F.1/", "webhook_host"),
        ("http://0177.0.0.1/", "invalid_webhook"),
        ("http://0177.1/", "webhook_host"),
        ("http://127.1/", "webhook_host"),
        ("http://127.0.0.1../", "webhook_host"),
        ("http://1.2.3.4.5/", "webhook_host"),
        ("http://256.1.1.1/", "invalid_webhook"),
        ("http://%31%32%37.0.0.1/", "webhook_host"),
        ("http://[fe80::1%25eth0]/", "webhook_host"),
        ("http://a..b/", "webhook_host"),
        (f"http://{'a' * 70}/", "webhook_host"),
    ],
)
def test_what_is_no_place_is_refused(url, code):
    assert refused(url, private_networks=True).code == code


def test_a_password_is_not_repeated():
    assert "jelly" not in str(refused("http://mary:jelly@8.8.8.8/").body())


def test_a_name_is_looked_up_once_and_its_addresses_are_kept():
    target = find("http://localhost:81/hook#part", private_networks=True)
    assert target.addresses
    assert {reach(address) for address in target.addresses} == {"private"}
    assert target.authority == "localhost:81"
    assert target.host == "localhost"
    for address in target.addresses:
        at = target.at(address)
        assert (at.host, at.port, at.path, at.fragment) == (str(address), 81, "/hook", "")


def test_a_name_with_a_dot_at_its_end_is_the_same_name():
    """For a certificate, and for the settings: see `LOCALHOST.` above. For a server of names it is not quite."""
    assert Target(httpx.URL("https://example.com./"), ()).host == "example.com"


def written(address: IPv4Address | IPv6Address) -> st.SearchStrategy[str]:
    """An IPv4 address as some programs read it: in octal, in hex, in fewer parts, inside IPv6, with a dot after it."""
    number, parts = int(address), address.packed
    return st.sampled_from(
        [
            str(address),
            f"{address}.",
            str(number),
            hex(number),
            f"{number:#o}".replace("0o", "0"),
            ".".join(f"{part:#x}" for part in parts),
            ".".join(f"0{part:o}" for part in parts),
            f"{parts[0]}.{number & 0xFFFFFF}",
            f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
            f"[::ffff:{address}]",
            f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
            f"[64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}]",
            f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]",
            f"[::{number >> 16:x}:{number & 0xFFFF:x}]",
        ]
    )


INSIDE = st.one_of(
    st.ip_addresses(network="127.0.0.0/8"),
    st.ip_addresses(network="10.0.0.0/8"),
    st.ip_addresses(network="192.168.0.0/16"),
    st.ip_addresses(network="169.254.0.0/16"),
    st.just(ip_address("169.254.169.254")),
)


@tuned(deadline=None)
@given(INSIDE.flatmap(written))
@example("0177.0.0.01.")
def test_no_way_of_writing_an_inner_address_leads_there(host):
    """Not even where the resolver of this machine reads it as an address."""
    with pytest.raises(MouthpieceError):
        find(f"http://{host}/")


@tuned(deadline=None)
@given(st.text("0123456789.:[]@%/\\?#&=-_~ １２７。①\t\x7f", max_size=30))
@example("127.0.0.1")
@example("１２７.0.0.1")
@example("127。0。0。1")
@example("1.1@127.0.0.1")
@example("[::1")
def test_any_text_leads_to_a_public_place_or_nowhere(text):
    try:
        target = find(f"http://{text}")
    except MouthpieceError as error:
        assert error.field == "webhook"
    else:
        assert {reach(address) for address in target.addresses} == {"public"}
