"""Makes docs/frames.jpg, the picture in the README: frames of finished videos, drawn by the project itself.

python docs/frames.py
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from deployments.app import resolve  # noqa: E402
from deployments.local import LocalApplication  # noqa: E402
from pipeline.contracts import VideoRequest  # noqa: E402
from pipeline.media.video import read_frames  # noqa: E402

SAYING = "Peter Piper picked a peck of pickled peppers. How are you today, my friend? You look wonderful."
PROMPTS = (
    "a woman with long red hair and green eyes, teal shirt",
    "a man with a short beard, suit and tie, office",
    "an old woman with grey curly hair and glasses",
)
SIDE = 256


def photo() -> bytes:
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


async def frames(application: LocalApplication, request: VideoRequest, folder: Path) -> list[np.ndarray]:
    operations = application.operations
    job = await operations.create_video(request)
    job = await operations.wait_video(job.id, 120)
    path = folder / "film.mp4"
    with path.open("wb") as file:
        async for piece in operations.video_content(job.id):
            file.write(piece)
    return list(read_frames(path))


def row(pictures: list[np.ndarray], at: tuple[int, ...]) -> np.ndarray:
    import cv2

    return np.hstack([cv2.resize(pictures[i], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in at])


def main() -> None:
    from PIL import Image

    with tempfile.TemporaryDirectory() as place:
        application = LocalApplication(resolve({"storage": {"folder": place}}))
        folder = Path(place)
        first = asyncio.run(frames(application, VideoRequest(text=SAYING, portrait=photo()), folder))
        rows = [row(first, (8, 25, 41, 62, 88))]
        drawn = [
            asyncio.run(frames(application, VideoRequest(text=SAYING, prompt=prompt, seed=seed), folder))
            for seed, prompt in enumerate(PROMPTS)
        ]
        rows.append(np.hstack([row(drawn[0], (8, 62)), row(drawn[1], (8, 62)), row(drawn[2], (62,))]))
        application.close()
    Image.fromarray(np.vstack(rows)).save(HERE / "frames.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
