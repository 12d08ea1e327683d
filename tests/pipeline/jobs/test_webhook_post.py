"""One call of a webhook: to the address that was looked at, with the host's own certificate."""

import asyncio
import datetime
import ssl
from ipaddress import ip_address

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.jobs.webhook_post import post, transport
from pipeline.jobs.webhook_target import Target
from tests.pipeline.jobs.receiver import Receiver

HERE = ip_address("127.0.0.1")
NOBODY = ip_address("127.0.0.2")
"""This machine too, at an address that no receiver listens on."""


def call(url: str, *addresses, **headers: str) -> int:
    async def once() -> int:
        async with transport() as through:
            return await post(through, Target(httpx.URL(url), addresses or (HERE,)), headers, b'{"a": 1}')

    return asyncio.run(asyncio.wait_for(once(), 30))


def test_the_address_is_called_and_the_name_is_told():
    """The name means nothing to this machine, so it was not looked up again."""
    with Receiver() as receiver:
        assert call(receiver.url("hook.invalid", path="/a%20b?c=ü"), x="y") == 200
        [got] = receiver.wait(1)
    assert got.path == "/a%20b?c=%C3%BC"
    assert got.body == b'{"a": 1}'
    assert got.headers["host"] == f"hook.invalid:{receiver.port}"
    assert (got.headers["x"], got.headers["content-type"]) == ("y", "application/json")
    assert not {"cookie", "authorization", "accept-encoding"} & set(got.headers)


def test_an_address_that_takes_no_connection_leaves_it_to_the_next():
    with Receiver() as receiver:
        assert call(receiver.url("hook.invalid"), NOBODY, HERE) == 200
        with pytest.raises(httpx.ConnectError):
            call(receiver.url("hook.invalid"), NOBODY)
        with pytest.raises(httpx.ConnectError):
            asyncio.run(asyncio.wait_for(_to_nowhere(), 30))
        assert len(receiver.calls) == 1


async def _to_nowhere() -> None:
    async with transport() as through:
        await post(through, Target(httpx.URL("http://hook.invalid"), ()), {}, b"")


def test_a_redirect_is_an_answer():
    with Receiver() as elsewhere, Receiver(302, location=elsewhere.url()) as receiver:
        assert call(receiver.url()) == 302
        assert elsewhere.calls == []


def test_no_proxy_stands_between(monkeypatch):
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert call(receiver.url()) == 200
        assert proxy.calls == []


def test_an_answer_without_an_end_is_not_read():
    with Receiver() as receiver:
        assert call(receiver.url(path="/endless")) == 200


def test_who_does_not_speak_http_is_an_error():
    async def once() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await reader.read(100)
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, transport() as through:
            with pytest.raises(httpx.TransportError):
                await post(through, Target(httpx.URL(f"http://127.0.0.1:{port}"), (HERE,)), {}, b"")

    asyncio.run(asyncio.wait_for(once(), 30))


# Certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of hook.example by itself, as a file with its key, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.example")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hook.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Receiver(tls=context) as receiver:
        yield receiver


@pytest.mark.parametrize("host", ["hook.example", "hook.example."])
def test_a_certificate_that_is_trusted_is_that_of_the_name(secure, certificate, monkeypatch, host):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert call(secure.url(host, scheme="https")) == 200


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1", "hook.example.other.example"])
def test_a_certificate_of_another_name_is_refused(secure, certificate, monkeypatch, host):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        call(secure.url(host, scheme="https"))
    assert secure.calls == []


def test_a_certificate_that_nobody_trusts_is_refused(secure, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        call(secure.url("hook.example", scheme="https"))
    assert secure.calls == []
