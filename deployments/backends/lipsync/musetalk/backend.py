"""lipsync-musetalk: MuseTalk draws the lower half of the face anew, on a portrait or on a film.

Versions 1.5 and 1.0 of TMElyralab/MuseTalk @ 0a89dec. The networks are theirs; everything around them is in this
package, and works without a round trip between device and host for every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from deployments.backends import device
from deployments.backends.lipsync.kept import Kept
from deployments.backends.lipsync.limits import check
from deployments.backends.lipsync.musetalk import labels
from pipeline.contracts import AnimationRequest, FilmFrame, Frames, Speech, StretchRequest
from pipeline.errors import InvalidRequest

if TYPE_CHECKING:
    from deployments.backends.lipsync.musetalk.avatar import Avatar
    from deployments.backends.lipsync.musetalk.footage import Footage

Version = Literal["v15", "v10"]
Precision = Literal["auto", "float32", "float16", "bfloat16"]
Hears = Literal["near", "segments"]

CARD_BATCH: Final = 16
HOST_BATCH: Final = 4
"""Frames drawn at once unless the option says so: about half a second on a card."""


class Musetalk:
    """Implements `pipeline.models.StretchingModel` and `pipeline.models.DubbingModel`.

    Draws the mouth and what is around it; `head_motion` and `blink` of a request are not its own to draw. Options:

    - `version`: v15, or v10 with `box_shift`, pixels by which the middle of its box lies below the bridge of the nose.
    - `weights`, `vae_weights`, `whisper_weights`, `parsing_weights`: folders of one's own with the published files.
    - `parsing`: masks by the parsing network, whose weights are for non-commercial use, and not from the face mesh.
    - `hears`: near is 2 s of sound before a second and 0.5 s after it; segments is 30 s at once, as the reference has
      it, by which videos are made whole only.
    - `precision`: auto is float16 on a card and float32 elsewhere.
    - `batch`: frames drawn at once; 0 is 16 on a card and 4 elsewhere.
    - `compiled`: torch compiles the networks, which takes minutes once and saves time for every frame.
    - `avatars`: how many portraits are kept ready.
    """

    def __init__(
        self,
        *,
        version: Version = "v15",
        weights: str = "",
        vae_weights: str = "",
        whisper_weights: str = "",
        parsing: bool = False,
        parsing_weights: str = "",
        hears: Hears = "near",
        precision: Precision = "auto",
        batch: int = 0,
        compiled: bool = False,
        avatars: int = 16,
        box_shift: float = 0.0,
    ) -> None:
        if batch < 0:
            raise ValueError(f"batch is {batch}, not 0 or more")
        if box_shift and version != "v10":
            raise ValueError(f"box_shift is {box_shift}; only version v10 has one")
        if parsing_weights and not parsing:
            raise ValueError("parsing_weights is set, but parsing is not")
        self._kept = Kept(self._portrait, avatars)
        import torch

        from deployments.backends.lipsync.musetalk import networks
        from deployments.backends.lipsync.musetalk.avatar import Look
        from deployments.backends.lipsync.musetalk.ear import NEAR, SEGMENTS, Ear
        from deployments.backends.lipsync.musetalk.generator import Generator
        from deployments.backends.lipsync.musetalk.rendering import Renderer

        card = device.current().name
        fast = card.startswith("cuda")
        if precision == "auto":
            precision = "float16" if fast else "float32"
        dtype: torch.dtype = getattr(torch, precision)
        unet, vae = networks.unet(version, weights), networks.autoencoder(vae_weights)
        self._generator = Generator(unet, vae, device=card, dtype=dtype, compiled=compiled)
        encoder = networks.whisper_encoder(whisper_weights).float().to(card)
        ear = Ear(encoder, NEAR if hears == "near" else SEGMENTS)
        self._hears: Hears = hears
        labeller: labels.Labeller = labels.of_mesh
        if parsing:
            labeller = labels.Parsing(networks.parsing(parsing_weights).float().to(card))
        self._look = Look.of(version, labeller, box_shift)
        self._renderer = Renderer(self._generator, ear, batch or (CARD_BATCH if fast else HOST_BATCH))

    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        """Raises `InvalidRequest` before the first chunk where size, rate or face can't be drawn."""
        yield from self._drawn(StretchRequest(request, 0, 0, request.frame_count))

    def stretch(self, request: StretchRequest) -> Iterator[Frames]:
        """Raises as `animate` does, `InvalidRequest` where it hears in segments, and `ValueError` where less of the
        sound was given with it than is promised."""
        if self._hears == "segments":
            raise InvalidRequest(
                "With hears: segments, lipsync-musetalk makes whole videos only.",
                code="not_streamed",
                field="options.musetalk.hears",
                accepted="near",
            )
        yield from self._drawn(request)

    def dub(self, frames: Iterator[FilmFrame], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """Nothing of the film is kept: its frames are made ready, drawn and forgotten batch by batch."""
        from deployments.backends.lipsync.musetalk.avatar import prepared
        from deployments.backends.lipsync.musetalk.footage import shot

        def avatars() -> Iterator[Avatar]:
            while part := [shot(frame) for frame in islice(frames, self._renderer.batch)]:
                yield prepared(part, self._look, self._generator)

        yield from self._renderer.film(avatars(), speech, fps)

    def prepare(self, footage: Footage) -> Avatar:
        """A film made ready, for the caller to keep and to have speak as often as wanted.

        Raises what `Footage.check` raises.
        """
        from deployments.backends.lipsync.musetalk.avatar import prepared

        footage.check()
        return prepared(footage.shots(), self._look, self._generator)

    def speak(self, avatar: Avatar, speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """As many frames as the sound is long, in batches; a film goes forwards and backwards, again and again.

        Planes are (n, h * 3 / 2, w). Frames without a face are as they were.
        """
        yield from self._renderer.frames(avatar, speech, fps)

    def _drawn(self, request: StretchRequest) -> Iterator[Frames]:
        asked, begin = request.animation, request.sample_at(request.heard_from)
        check(asked)
        avatar = self._kept.of(asked)
        yield from self._renderer.frames(avatar, asked.speech, asked.fps, request.first, request.frame_count, begin)

    def _portrait(self, request: AnimationRequest) -> Avatar:
        from deployments.backends.lipsync.musetalk.avatar import prepared
        from deployments.backends.lipsync.musetalk.footage import portrait

        return prepared([portrait(request)], self._look, self._generator)
