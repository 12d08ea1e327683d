"""Signatures of webhooks, against values that other implementations make."""

import pytest

from pipeline.jobs.webhook_signature import signed
from tests.pipeline.jobs.receiver import SECRET, Call

SECRET_OF_OTHERS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("secret", [SECRET_OF_OTHERS, SECRET_OF_OTHERS.removeprefix("whsec_")])
def test_the_signature_is_that_of_the_reference_libraries(secret):
    """Secret, message and signature of the reference libraries' own tests (standard-webhooks, libraries/)."""
    found = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_notices_what_was_changed():
    call = Call("/", signed(SECRET, "id", 1, b"{}"), b"{}")
    assert call.message() == {}
    for wrong in (
        Call("/", call.headers, b"[]"),
        Call("/", call.headers | {"webhook-timestamp": "2"}, b"{}"),
        Call("/", call.headers | {"webhook-id": "di"}, b"{}"),
    ):
        with pytest.raises(AssertionError):
            wrong.message()
