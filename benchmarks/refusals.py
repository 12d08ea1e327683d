"""How soon bad input is refused by a running server: wall seconds from request to error.

    python -m benchmarks.refusals

One row a case: status, code, seconds (the slowest of three). Then a good request, to show that nothing was lost.
"""

from __future__ import annotations

import io
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.product import photo
from benchmarks.server import server


def png(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def wav(samples: np.ndarray) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def cases() -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """Name -> form fields and files of POST /api/v1/videos."""
    import cv2
    from skimage import data

    astronaut = np.ascontiguousarray(data.astronaut())
    three = np.hstack([astronaut] * 3)
    tiny = np.full((512, 512, 3), 200, np.uint8)
    tiny[200:236, 200:236] = cv2.resize(astronaut, (36, 36), interpolation=cv2.INTER_AREA)
    bomb = bytearray(png(np.zeros((8, 8, 3), np.uint8)))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    noise = np.random.default_rng(0).standard_normal(80_000).astype(np.float32)
    text = {"text": "Hello."}
    return {
        "empty text": ({"text": ""}, {}),
        "only punctuation": ({"text": "?!..."}, {}),
        "200,000 characters": ({"text": "word " * 40_000}, {}),
        "unknown language": ({**text, "language": "xx"}, {}),
        "unknown voice": ({**text, "voice": "nobody"}, {}),
        "odd size": ({**text, "size": "511"}, {}),
        "frame rate 1,000": ({**text, "fps": "1000"}, {}),
        "unknown field": ({**text, "colour": "red"}, {}),
        "two sources": ({**text}, {"audio": wav(noise * 0.1)}),
        "clip silent": (text, {"voice_clip": wav(np.zeros(80_000, np.float32))}),
        "clip of 0.2 s": (text, {"voice_clip": wav(noise[:3200])}),
        "clip clipped to noise": (text, {"voice_clip": wav(np.clip(noise * 50, -1, 1))}),
        "clip not audio": (text, {"voice_clip": photo()}),
        "clip of NaN": (text, {"voice_clip": wav(np.full(80_000, np.nan, np.float32))}),
        "no face": (text, {"portrait": png(np.ascontiguousarray(data.coffee()))}),
        "three faces": (text, {"portrait": png(three)}),
        "a 20-pixel face": (text, {"portrait": png(tiny)}),
        "truncated PNG": (text, {"portrait": photo()[:100_000]}),
        "50,000 x 50,000 header": (text, {"portrait": bytes(bomb)}),
        "not an image": (text, {"portrait": wav(noise)}),
    }


def main() -> None:
    import httpx

    with tempfile.TemporaryDirectory() as place, server(Path(place)) as running:
        address = f"{running.url}/api/v1/videos"
        time.sleep(10)  # Ray's dashboard is still starting
        slowest = 0.0
        print(f"{'bad input':28}{'status':>7}{'seconds':>9}  code")
        for name, (fields, files) in cases().items():
            taken, answer = 0.0, None
            for _ in range(3):
                began = time.monotonic()
                # A file part makes the body multipart even where no file is sent.
                parts = {key: (key, value) for key, value in files.items()} or {"seed": (None, "0")}
                given = {key: value for key, value in fields.items() if key not in parts}
                answer = httpx.post(address, data=given, files=parts, timeout=60)
                taken = max(taken, time.monotonic() - began)
            if answer is None or answer.status_code < 400:
                raise RuntimeError(f"{name} was accepted")
            slowest = max(slowest, taken)
            print(f"{name:28}{answer.status_code:7d}{taken:9.3f}  {answer.json()['error']['code']}")
        good = httpx.post(f"{address}?wait=60", json={"text": "Fine.", "prompt": ""}, timeout=70).json()
    print(f"slowest {slowest:.2f} s (asked: 1); the next good request: {good['status']}")


if __name__ == "__main__":
    main()
