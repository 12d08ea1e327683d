"""Drawn portraits: are they found, where do the landmarks lie, what do they cost.

Draws many prompts and seeds at two sizes and looks for faces with MediaPipe's own solutions (face mesh with
irises, face detection) and with the project's face backend. Prints one line for each size and what went wrong.

    python -m benchmarks.portraits [--count 72] [--sheet OUT.png]

`--sheet` also writes a contact sheet of the first twelve.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy
from deployments.backends.avatar.portrait.canvas import SIDE, mirror
from deployments.backends.avatar.portrait.casting import cast
from deployments.backends.avatar.portrait.painter import placed
from deployments.backends.avatar.procedural import Procedural
from deployments.backends.face.mediapipe import MediapipeFace
from pipeline.contracts import PortraitRequest
from pipeline.errors import UnusableFace

SHOWN = (
    "young woman with long red hair, green eyes, teal dress, nature",
    "black man with a short beard, navy suit and red tie, office",
    "old man with grey hair and round glasses, burgundy sweater, library",
    "asian woman, black bob with bangs, grey turtleneck",
    "black woman with an afro, hoop earrings, yellow blouse, smiling",
    "indian man, short black hair, stubble, light blue shirt, office",
    "elderly woman, white bun, glasses, blue blouse, room",
    "young man, curly ginger hair, freckles, green hoodie, park",
    "young woman in a teal hijab, smiling, beige background",
    "latina woman, wavy brown hair, red lipstick, coral dress, sunset",
    "man with swept back hair, full beard, turtleneck, city at night",
    "woman, pink pixie cut, white t-shirt, lavender background",
)
MORE = (
    "",
    "man",
    "woman",
    "bald man, moustache, dramatic lighting",
    "man in a mustard beanie, full beard, square glasses",
    "woman, buzz cut, dark skin, bright light",
    "old woman, long white hair, serious",
    "balding man, white goatee, glasses, suit",
    "woman, curly black hair, square glasses, dramatic lighting, night",
    "man, afro, full beard, round glasses",
    "pale woman, platinum ponytail, red lipstick",
    "man with deep skin, bald, full beard, dramatic lighting",
)
INNER_LIPS = [78, 80, 81, 82, 13, 312, 311, 310, 308, 95, 88, 87, 14, 317, 402, 318, 324]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=72)
    parser.add_argument("--sheet", type=Path)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    prompts = (*SHOWN, *MORE)
    people = [(prompts[k % len(prompts)], k) for k in range(chosen.count)]
    if chosen.sheet:
        contact_sheet(chosen.sheet)
    print(f"{len(people)} portraits   mesh  detector  backend  |yaw| |pitch|  lips  irises  chin   CPU s")
    for size in (256, 512):
        measure(people, size)


def measure(people: list[tuple[str, int]], size: int) -> None:
    """Distances are the worst in face heights, angles the worst in degrees, CPU seconds the median of a portrait."""
    # Late: it is slow to import.
    from mediapipe.python.solutions import face_detection, face_mesh

    mesh: Any = face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, max_num_faces=3, min_detection_confidence=0.5
    )
    detector: Any = face_detection.FaceDetection(min_detection_confidence=0.5)
    finder, model = MediapipeFace(), Procedural()
    found = np.zeros(3, int)
    figures: list[tuple[float, ...]] = []
    seconds: list[float] = []
    for prompt, seed in people:
        begin = time.process_time()
        picture = model.draw(PortraitRequest(prompt, size, seed))
        seconds.append(time.process_time() - begin)
        faces = mesh.process(picture).multi_face_landmarks or []
        seen = detector.process(picture).detections or []
        found[:2] += len(faces) == 1, len(seen) == 1
        if len(faces) != 1 or len(seen) != 1:
            print(f"  {size} {prompt!r} seed {seed}: mesh {len(faces)}, detector {len(seen)}")
        try:
            face = finder.locate(picture)
        except UnusableFace as error:
            print(f"  {size} {prompt!r} seed {seed}: {error.code}")
            continue
        found[2] += 1
        figures.append((abs(face.yaw), abs(face.pitch), *distances(face.landmarks[:, :2], prompt, seed, size)))
        if figures[-1][2] > 0.015:
            print(f"  {size} {prompt!r} seed {seed}: lips {figures[-1][2]:.3f}")
    worst = np.max(figures, axis=0)
    print(
        f"{size:>4} pixels    {found[0]:>5} {found[1]:>9} {found[2]:>8}  {worst[0]:>5.1f} {worst[1]:>7.1f}"
        f"  {worst[2]:.3f}  {worst[3]:.3f}  {worst[4]:.3f}  {np.median(seconds):>5.2f}"
    )


def distances(landmarks: np.ndarray, prompt: str, seed: int, size: int) -> tuple[float, float, float]:
    """From the mesh's inner lips to the drawn lip line (mean), from irises to eyes and chin to chin."""
    a = Anatomy.of(cast(prompt, seed))

    def drawn(points: np.ndarray) -> np.ndarray:
        return (placed(points, seed) + 0.5) * (size / SIDE) - 0.5

    height = float(np.linalg.norm(landmarks[152] - landmarks[10]))
    line = drawn(a.lip_line(400))
    lips = np.linalg.norm(landmarks[INNER_LIPS, None] - line[None], axis=-1).min(1).mean()
    lids = np.concatenate([a.upper_lid(), a.lower_lid()])
    eyes = [drawn(outline).mean(0) for outline in (mirror(lids), lids)]
    irises = max(float(np.linalg.norm(landmarks[k] - eye)) for k, eye in zip((468, 473), eyes, strict=True))
    chin = np.linalg.norm(landmarks[152] - drawn(np.array([[0.0, a.chin_y]]))[0])
    return float(lips) / height, irises / height, float(chin) / height


def contact_sheet(path: Path) -> None:
    pictures = [Procedural().draw(PortraitRequest(prompt, 512, k)) for k, prompt in enumerate(SHOWN)]
    rows = [np.hstack(pictures[k : k + 4]) for k in range(0, len(pictures), 4)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
