"""Our own backends: a row for each."""

from __future__ import annotations

from deployments.backends.descriptor import Backend

BACKENDS: tuple[Backend, ...] = (
    Backend(
        capability="voice",
        name="espeak",
        target="deployments.backends.voice.espeak:Espeak",
        description="eSpeak NG formant voice, in process, with phoneme times",
        install="pip install espeakng-loader",
        licence="GPL-3.0-or-later program; what it says is free",
        commercial_use=True,
    ),
    Backend(
        capability="voice",
        name="flite",
        target="deployments.backends.voice.flite:Flite",
        description="CMU Flite; English only, far easier to understand than eSpeak NG",
        install="apt-get install flite",
        program="flite",
        licence="CMU Flite licence (BSD style)",
        commercial_use=True,
        languages=("en-us", "en"),
    ),
    Backend(
        capability="avatar",
        name="procedural",
        target="deployments.backends.avatar.procedural:Procedural",
        description="A portrait drawn by rules from a prompt and a seed",
        licence="Apache-2.0",
        commercial_use=True,
    ),
    Backend(
        capability="face",
        name="mediapipe",
        target="deployments.backends.face.mediapipe:MediapipeFace",
        description="MediaPipe face mesh: 478 landmarks, pose and quality",
        install="pip install mediapipe==0.10.21",
        licence="Apache-2.0",
        commercial_use=True,
    ),
    Backend(
        capability="lipsync",
        name="meshwarp",
        target="deployments.backends.lipsync.meshwarp.backend:Meshwarp",
        description="Warps the photo's own face, driven by visemes; no neural network",
        licence="Apache-2.0",
        commercial_use=True,
    ),
    Backend(
        capability="lipsync",
        name="wav2lip",
        target="deployments.backends.lipsync.wav2lip.backend:Wav2Lip",
        description="Wav2Lip: a network of 96 x 96 pixels that runs on a CPU, too",
        install="make models",
        licence="Weights: personal and research use only (trained on LRS2)",
        vram_gigabytes=1.0,
        weights=("wav2lip-gan",),
    ),
    Backend(
        capability="lipsync",
        name="musetalk",
        target="deployments.backends.lipsync.musetalk.backend:Musetalk",
        description="MuseTalk 1.5 or 1.0: a diffusion UNet draws the mouth anew, in one step a frame",
        install="make models",
        licence="MIT code; weights for any purpose (the optional face parsing excepted)",
        commercial_use=True,
        vram_gigabytes=6.0,
        weights=("musetalk-v15", "sd-vae-ft-mse", "whisper-tiny"),
    ),
    Backend(
        capability="motion",
        name="kenburns",
        target="deployments.backends.motion.kenburns:KenBurns",
        description="Moves a camera over a picture: zoom, pan, orbit; no neural network",
        licence="Apache-2.0",
        commercial_use=True,
    ),
)
