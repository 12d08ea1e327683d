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


def row(pictures: list[np.ndarray], count: int) -> np.ndarray:
    """`count` frames side by side: of each part of the film, the one whose lower face is furthest from the first's."""
    import cv2

    size = pictures[0].shape[0]
    lower = slice(size * 2 // 5, size * 3 // 5), slice(size // 3, size * 2 // 3)
    first = pictures[0][lower].astype(np.int16)
    change = [float(np.abs(picture[lower] - first).mean()) for picture in pictures]
    parts = np.array_split(np.arange(len(pictures)), count)
    chosen = [max(part, key=lambda i: change[i]) for part in parts]
    return np.hstack([cv2.resize(pictures[i], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in chosen])


def main() -> None:
    from PIL import Image

    with tempfile.TemporaryDirectory() as place:
        application = LocalApplication(resolve({"storage": {"folder": place}}))
        folder = Path(place)
        first = asyncio.run(frames(application, VideoRequest(text=SAYING, portrait=photo()), folder))
        rows = [row(first, 5)]
        drawn = [
            asyncio.run(frames(application, VideoRequest(text=SAYING, prompt=prompt, seed=seed), folder))
            for seed, prompt in enumerate(PROMPTS)
        ]
        rows.append(np.hstack([row(drawn[0], 2), row(drawn[1], 2), row(drawn[2], 1)]))
        application.close()
    Image.fromarray(np.vstack(rows)).save(HERE / "frames.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
