"""Do the lips follow the speech? The opening measured on finished videos against the opening that was intended.

    python -m benchmarks.lipsync [--quick]

One row a video: r and best lag, frames without a face. Then the upper face of a still head against its photo.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.lips import Lips, correlation, frames, measure
from deployments.backends.avatar.procedural import Procedural
from deployments.backends.face.mediapipe import MediapipeFace
from deployments.backends.lipsync.meshwarp.backend import Meshwarp
from deployments.backends.lipsync.visemes.track import mouth_track
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import AnimationRequest, Picture, PortraitRequest, Speech, SpeechRequest
from pipeline.media.video import VideoWriter
from pipeline.steps.locate import cut

SENTENCES = {
    "en": "Peter Piper picked a peck of pickled peppers, and mama baked five big blueberry muffins for all of us.",
    "de": "Mama backt am Montag einen wunderbaren Apfelkuchen, und Papa bringt Brot, Butter und Pflaumenmus mit.",
    "fr": "Bonjour, mon ami, voulez-vous boire un verre de vin avec nous ce soir, au bord du beau fleuve bleu?",
    "es": "Mi abuela prepara un plato muy bueno con papas, pimientos y un poco de vino blanco para toda la familia.",
    "it": "Buongiorno a tutti, domani mattina partiamo per Verona e poi beviamo un buon bicchiere di vino rosso.",
    "ja": "こんにちは、わたしはまいにちパンをたべて、ぎゅうにゅうをのみます。あしたはやまへいきましょう。",
}
PROMPTS = (
    "a young woman with long red hair",
    "a man with a beard and a suit",
    "an old woman with grey hair and glasses",
    "a bald man with dark skin",
    "a woman with black curly hair and green eyes",
    "a teenage boy with blond hair and a hoodie",
    "a smiling woman with a bob, yellow dress",
    "an old man with a moustache",
    "a man with glasses and stubble, office background",
    "a woman with a bun, brown skin, blue shirt",
)
FPS = Fraction(25)


def film(portrait: Picture, speech: Speech, folder: Path, *, still: bool = False) -> tuple[Path, np.ndarray, Picture]:
    """A finished video, the opening intended in each of its frames, and the portrait it was cut to."""
    found = cut(portrait, MediapipeFace().locate(portrait))
    request = AnimationRequest(
        found.picture, found.face, speech, fps=FPS, head_motion=0.0 if still else 1.0, blink=not still
    )
    path = folder / "film.mp4"
    with VideoWriter(path, size=request.size, fps=FPS, sample_rate=speech.sample_rate) as file:
        file.write_audio(speech.samples)
        for chunk in Meshwarp().animate(request):
            file.write_frames(chunk.planes)
    return path, mouth_track(speech, FPS, request.frame_count).opening(), found.picture


def row(name: str, lips: Lips, meant: np.ndarray) -> tuple[str, float, int, int]:
    seen = np.where(np.isnan(lips.gap), np.nanmean(lips.gap), lips.gap)
    return name, *correlation(seen, meant), lips.missing


def upper_face_psnr(path: Path, portrait: Picture) -> float:
    """dB between the frames of a still head and its photo, from the hairline to under the eyes."""
    import cv2

    size = frames(path)[0].shape[0]
    photo = cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA).astype(np.float64)
    if portrait.shape[0] < size:
        photo = cv2.resize(portrait, (size, size), interpolation=cv2.INTER_LANCZOS4).astype(np.float64)
    face = MediapipeFace().locate(np.ascontiguousarray(photo.astype(np.uint8)))
    x0, x1 = (int(face.landmarks[i, 0]) for i in (234, 454))
    y0, y1 = int(face.landmarks[10, 1]), int(face.landmarks[195, 1])
    errors = [np.mean((frame[y0:y1, x0:x1] - photo[y0:y1, x0:x1]) ** 2) for frame in frames(path)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def main() -> None:
    from skimage import data

    quick = "--quick" in sys.argv
    voice, rows = Espeak(), []
    speech = {
        language: Speech.join(voice.speak(SpeechRequest(text, language=language)))
        for language, text in SENTENCES.items()
    }
    astronaut = np.ascontiguousarray(data.astronaut())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for language in list(SENTENCES)[: 2 if quick else None]:
            path, meant, _ = film(astronaut, speech[language], folder)
            rows.append(row(f"astronaut, {language}, phonemes", measure(path), meant))
        for language in list(SENTENCES)[: 1 if quick else None]:
            path, _, _ = film(astronaut, replace(speech[language], phonemes=None), folder)
            count = len(frames(path))
            meant = mouth_track(speech[language], FPS, count).opening()
            rows.append(row(f"astronaut, {language}, audio alone", measure(path), meant))
        for seed, prompt in enumerate(PROMPTS[: 2 if quick else None]):
            portrait = Procedural().draw(PortraitRequest(prompt, seed=seed))
            path, meant, _ = film(portrait, speech["en"], folder)
            rows.append(row(f"drawn: {prompt}", measure(path), meant))
        path, _, picture = film(astronaut, speech["en"], folder, still=True)
        psnr = upper_face_psnr(path, picture)
    print(f"{'video':52}{'r':>7}{'lag':>5}{'no face':>9}")
    for name, r, lag, missing in rows:
        print(f"{name:52}{r:7.3f}{lag:5d}{missing:9d}")
    print(f"upper face, head still: {psnr:.1f} dB")


if __name__ == "__main__":
    main()
