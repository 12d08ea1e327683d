"""Trains the network of the audio-driven visemes and writes it into the package.

    apt-get install flite
    OPENBLAS_NUM_THREADS=1 nice python -m benchmarks.train_visemes

Teacher: `coarticulation.articulate` on speech whose phoneme times are known, of espeak-ng in twenty languages and
of two voices of flite (two others are kept for measuring). The seed is fixed; another BLAS, or other threads, may
round differently. About 6 CPU-minutes.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.viseme_corpus import SENTENCES, espeak, flite
from deployments.backends.lipsync.mouth import CHANNELS, OPENING
from deployments.backends.lipsync.visemes import network as net
from deployments.backends.lipsync.visemes.coarticulation import articulate
from deployments.backends.lipsync.visemes.features import BANDS, COLUMNS, features
from deployments.backends.lipsync.visemes.loudness import decibels, loudness
from pipeline.contracts import Speech

VARIANTS = (
    *("", "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m5", "m6", "m8"),
    *("klatt", "klatt2", "klatt3", "john", "linda", "steph", "anika", "pablo"),
)
"""Timbres of espeak-ng to train on. klatt4, f5, m7, Annie and Michael are for measuring."""

FLITE_VOICES = ("kal16", "awb")
FLITE_SHARE = 0.16
"""Of the clips. Without them the opening on flite's other voices follows with r .80 and .78; with them .82 and .83."""

HIDDEN = (384, 192)
CHANNEL_WEIGHT = np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.2], np.float32)
OPENING_WEIGHT = 8.0
OPEN, TUCK, PRESS = slice(0, 3), CHANNELS.index("tuck"), CHANNELS.index("press")
CONSONANTS = (
    *("p", "b", "m", "f", "v", "w", "t", "d", "n", "l", "r", "s", "z", "k", "g", "sh", "ch", "j", "h", "th"),
    *("st", "pr", "bl", "tr", "mp", "nd"),
)
VOWELS = (*"aeiouaeiou", "ai", "au", "oi", "ee", "oo")


def babble(random: np.random.Generator) -> str:
    """Words of no language, so that every sound meets every other."""
    words = [
        "".join(random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(random.integers(1, 4)))
        + random.choice(["", "", "n", "s", "m", "l"])
        for _ in range(random.integers(5, 9))
    ]
    return " ".join(words) + "."


def spoil(samples: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
    """A room, a microphone and a noise floor."""
    samples = samples.copy()
    if random.random() < 0.35:
        length = int(rate * random.uniform(0.05, 0.25))
        tail = random.standard_normal(length) * np.exp(-np.linspace(0, 6, length)) * random.uniform(0.02, 0.12)
        tail[0] = 1
        size = 1 << (len(samples) + length).bit_length()
        samples = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    if random.random() < 0.7:
        # Voices differ most in how their spectrum falls off and bends; level does not matter.
        spectrum = np.fft.rfft(samples)
        knots = np.cumsum(random.normal(0, 2.5, 9)) + np.linspace(0, random.uniform(-14, 6), 9)
        gain = np.interp(np.linspace(0, 1, len(spectrum)) ** 0.6, np.linspace(0, 1, 9), knots)
        samples = np.fft.irfft(spectrum * 10 ** (gain / 20), len(samples))
    power = np.mean(np.square(samples)) + 1e-12
    if random.random() < 0.75:
        noise = np.fft.rfft(random.standard_normal(len(samples)))
        noise /= np.maximum(np.arange(len(noise)), 1) ** random.uniform(0, 0.6)
        noise = np.fft.irfft(noise, len(samples))
        samples = samples + noise * np.sqrt(power / np.mean(np.square(noise)) * 10 ** (-random.uniform(8, 45) / 10))
    if random.random() < 0.12:
        music = no_speech(len(samples) / rate + 0.1, rate, random)[: len(samples)]
        samples = samples + music * np.sqrt(power / np.mean(np.square(music)) * 10 ** (-random.uniform(8, 30) / 10))
    if random.random() < 0.1:
        spectrum = np.fft.rfft(samples)
        spectrum[int(len(spectrum) * random.uniform(3400, 6000) / (rate / 2)) :] = 0
        samples = np.fft.irfft(spectrum, len(samples))
    return samples.astype(np.float32)


def recoloured(bands: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """With more or less contrast and blurrier formants: espeak-ng's are sharper than those of people."""
    if random.random() < 0.5:
        wider = np.pad(bands, ((0, 0), (1, 1)), mode="edge")
        share = random.uniform(0, 0.33)
        bands = (1 - 2 * share) * bands + share * (wider[:, :-2] + wider[:, 2:])
    return bands * np.float32(random.uniform(0.75, 1.25))


def no_speech(seconds: float, rate: int, random: np.random.Generator) -> np.ndarray:
    """Noise, hum or music: the mouth has nothing to say to it."""
    count = int(seconds * rate)
    time_ = np.arange(count) / rate
    if random.random() < 0.3:
        return (random.standard_normal(count) * 0.05).astype(np.float32)
    sound, clock = np.zeros(count), 0.0
    while clock < seconds:
        # A chord at a time, plucked or held.
        length = min(random.choice([0.2, 0.4, 0.6, 2.0]), seconds - clock)
        here = slice(int(clock * rate), int((clock + length) * rate))
        local = time_[here] - clock
        fade = np.exp(-local * random.choice([0.2, 3.0, 8.0])) * np.minimum(1, local / 0.01)
        for pitch in random.uniform(60, 700, 3):
            loudness_ = random.uniform(0.2, 1)
            for k in range(1, 8):
                sound[here] += loudness_ / k * np.sin(2 * np.pi * pitch * k * local) * fade
        if random.random() < 0.5:
            sound[here] += random.standard_normal(len(local)) * np.exp(-local * 40) * random.uniform(0, 3)
        clock += length + 1 / rate
    return (0.03 * sound).astype(np.float32)


def padded(speech: Speech, random: np.random.Generator) -> Speech:
    """With some silence before and after, as recordings have."""
    before, after = (np.zeros(int(speech.sample_rate * random.uniform(0, 0.4)), np.float32) for _ in range(2))
    silence = [Speech(part, speech.sample_rate, (), speech.language) for part in (before, after)]
    return Speech.join([silence[0], speech, silence[1]])


def corpus(seconds: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, targets and loudness of all clips, one after the other, and for each step its clip's bounds."""
    columns, targets, scales, bounds = [], [], [], []
    done, total = 0.0, 0
    voices = [v for v in SENTENCES for _ in range(4 if v == "en-us" else 1)]
    while done < seconds:
        foreign = random.random() >= FLITE_SHARE
        voice = random.choice(voices) if foreign else "en-us"
        text = random.choice(SENTENCES[voice]) if random.random() < 0.55 else babble(random)
        speech = (
            espeak(
                text,
                voice,
                variant=random.choice(VARIANTS),
                rate=int(random.integers(110, 260)),
                pitch=int(random.integers(15, 90)),
                spread=int(random.integers(20, 90)),
            )
            if foreign
            else flite(text, random.choice(FLITE_VOICES))
        )
        if not speech.seconds:
            continue
        speech = padded(speech, random)
        # A vocal tract of another length: played faster or slower, formants, pitch and pace move together.
        rate = int(speech.sample_rate * random.uniform(0.88, 1.15))
        shift = speech.sample_rate / rate
        phonemes = tuple(type(p)(p.start * shift, p.end * shift, p.ipa) for p in speech.phonemes or ())
        clean = loudness(decibels(speech.samples, rate))
        wanted = articulate(phonemes, clean).values
        samples = spoil(speech.samples, rate, random)
        if random.random() < 0.04:
            samples, wanted = no_speech(random.uniform(2, 4), rate, random), wanted[:0]
        heard, loud = features(samples, rate, float(random.uniform(0.9, 1.12)))
        heard[:, :BANDS] = recoloured(heard[:, :BANDS], random)
        if not len(wanted):
            wanted = np.zeros((len(heard), len(CHANNELS)), np.float32)
        columns.append(heard)
        targets.append(wanted[: len(heard)])
        scales.append(net.opening_scale(loud))
        bounds.append(np.tile([[total, total + len(heard)]], (len(heard), 1)))
        total += len(heard)
        done += len(heard) / 100
    return np.concatenate(columns), np.concatenate(targets), np.concatenate(scales), np.concatenate(bounds)


def gap(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The opening of `MouthTrack.opening` without its clipping, and its three factors."""
    wide, lips, teeth = y[:, OPEN] @ OPENING, 1 - y[:, PRESS], 1 - 0.8 * y[:, TUCK]
    return wide * lips * teeth, wide, lips, teeth


def fit(data: tuple[np.ndarray, ...], epochs: int, random: np.random.Generator) -> net.Network:
    """Adam on squared error of the channels and of the opening they make; cosine learning rate."""
    columns, targets, scales, bounds = data
    sizes = (COLUMNS * len(net.CONTEXT), *HIDDEN, len(CHANNELS))
    weights = [(random.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32) for a, b in pairwise(sizes)]
    biases = [np.zeros(b, np.float32) for b in sizes[1:]]
    weights[-1] *= 0.3
    parameters = [*weights, *biases]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    batch, step = 512, 0
    index = np.arange(0, len(columns))
    last = epochs * (len(index) // 2 // batch)
    for epoch in range(epochs):
        begun, loss = time.process_time(), 0.0
        order = random.permutation(index)[: len(index) // 2]
        for k in range(0, len(order) - batch + 1, batch):
            chosen = order[k : k + batch]
            places = np.clip(chosen[:, None] + np.array(net.CONTEXT), bounds[chosen, :1], bounds[chosen, 1:] - 1)
            x = columns[places].reshape(batch, -1)
            x += random.standard_normal(x.shape, np.float32) * 0.15
            layers, masks = [x], []
            for n, (w, b) in enumerate(zip(weights, biases, strict=True)):
                x = x @ w + b
                if n < len(weights) - 1:
                    keep = (random.random(x.shape, np.float32) > 0.1).astype(np.float32) / 0.9
                    masks.append((x > 0) * keep)
                    x = x * masks[-1]
                    layers.append(x)
            wanted, scale = targets[chosen], scales[chosen][:, None]
            y = x.copy()
            y[:, OPEN] *= scale
            error = (y - wanted) * CHANNEL_WEIGHT
            loss += float(np.mean(np.square(y - wanted)))
            opening, wide, lips, teeth = gap(y)
            missed = OPENING_WEIGHT * (opening - gap(wanted)[0])[:, None]
            error[:, OPEN] += missed * OPENING * (lips * teeth)[:, None]
            error[:, PRESS] -= missed[:, 0] * wide * teeth
            error[:, TUCK] -= missed[:, 0] * wide * lips * 0.8
            error[:, OPEN] *= scale
            error /= batch
            gradients_w, gradients_b = [], []
            for n in reversed(range(len(weights))):
                gradients_w.append(layers[n].T @ error)
                gradients_b.append(error.sum(axis=0))
                if n:
                    error = (error @ weights[n].T) * masks[n - 1]
            step += 1
            speed = 1.5e-3 * 0.5 * (1 + np.cos(np.pi * step / last)) + 1e-6
            for p, g, (m, v) in zip(parameters, gradients_w[::-1] + gradients_b[::-1], moments, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= speed * (m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8))
                if p.ndim == 2:
                    p -= speed * 0.01 * p
        print(
            f"epoch {epoch + 1}: mse {loss / (len(order) // batch):.5f}, {time.process_time() - begun:.0f} CPU-s",
            flush=True,
        )
    return net.Network(tuple(weights), tuple(biases))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=130.0)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, default=Path(net.__file__).with_name("network.npz"))
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    begun = time.process_time()
    data = corpus(60 * options.minutes, random)
    print(f"{len(data[0]) / 6000:.0f} minutes of speech in {time.process_time() - begun:.0f} CPU-s", flush=True)
    network = fit(data, options.epochs, random)
    arrays = {f"weight{k}": w.astype(np.float16) for k, w in enumerate(network.weights)}
    arrays |= {f"bias{k}": b.astype(np.float16) for k, b in enumerate(network.biases)}
    np.savez_compressed(options.output, **arrays)
    print(f"{options.output}: {options.output.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
