"""Sound from one sample rate to another."""

from __future__ import annotations

import numpy as np

from pipeline.contracts import Samples


class Resampler:
    """Sound from one rate to another, as it comes."""

    def __init__(self, rate: int, target: int) -> None:
        import av

        self._rate = rate
        self._fed = 0
        self._same = rate == target
        self._resampler = av.AudioResampler("fltp", "mono", target, options={"filter_size": "64", "cutoff": "0.98"})

    def feed(self, samples: Samples) -> Samples:
        """What can be said so far of `samples`, (n,) float32; the filter holds back the last few."""
        if self._same or not len(samples):
            return samples
        import av

        made: list[Samples] = []
        # A second at a time: a frame's size is a 32-bit number and its memory is copied.
        for start in range(0, len(samples), self._rate):
            part = np.ascontiguousarray(samples[start : start + self._rate], np.float32)
            frame = av.AudioFrame.from_ndarray(part[None, :], "fltp", "mono")
            frame.sample_rate = self._rate
            frame.pts = self._fed
            self._fed += len(part)
            made += [out.to_ndarray()[0] for out in self._resampler.resample(frame)]
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def finish(self) -> Samples:
        """What was held back."""
        if self._same or not self._fed:
            return np.zeros(0, np.float32)
        made = [out.to_ndarray()[0] for out in self._resampler.resample(None)]
        return np.concatenate(made) if made else np.zeros(0, np.float32)
