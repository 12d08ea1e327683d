"""Signatures of webhooks after the Standard Webhooks specification 1.0.0 (symmetric, `v1`).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed(secret: str, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows a message: its id, its time, and the signature of both with the body.

    `secret` is base64, with or without `whsec_` before it; `message_id` has no dot and stays the same for every
    attempt; `seconds` since the epoch are those of this attempt.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
