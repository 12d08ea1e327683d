"""What is known of a backend before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.contracts import Capability

OURS = "mouthpiece"


@dataclass(frozen=True, slots=True)
class Backend:
    """One model behind one capability. Everything a caller may want to know before it is loaded."""

    capability: Capability
    name: str
    """Lower case; unique among all backends, since `options` are kept by it."""
    target: str
    """`module:Class`, imported when used."""
    description: str = ""
    install: str = ""
    """What to install where an import fails: a command, or empty where the base install has it."""
    program: str = ""
    """Program that has to be on the PATH, unless the backend's option `program` names another."""
    licence: str = "unknown"
    """Licence of the model and its data, as far as it binds who uses the results."""
    commercial_use: bool = False
    """Whether that licence lets the results be sold."""
    languages: tuple[str, ...] = ()
    """BCP 47 tags of a voice; empty where it is not bound to a language or knows too many to list."""
    clones: bool = False
    """Whether a voice speaks as the person of a reference clip (`CloningVoice`), rather than in the clip's colour."""
    honours: tuple[str, ...] = ()
    """What an avatar backend takes besides prompt, size and seed: names out of `DRAWING_OPTIONS`."""
    redrawn: bool = False
    """Whether an avatar backend may draw a picture without a usable face: the face backend then looks at what it drew,
    and it draws again with the next seed."""
    recognises: bool = False
    """Whether a transcriber writes down speech whose text nobody knows, rather than finding known words in time."""
    stretches: bool = False
    """Whether a lip-sync backend makes any stretch of a video without the rest of it (`StretchingModel`), so that the
    video can be watched while it is made."""
    whole_by: tuple[tuple[str, object], ...] = ()
    """Options of such a backend, each with the value by which it makes whole videos only."""
    dubs: bool = False
    """Whether a lip-sync backend works on films, too (`DubbingModel`)."""
    needs_gpu: bool = False
    vram_gigabytes: float = 0.0
    """Card memory it declares to need, in 2**30 bytes; what is measured counts where it is more."""
    offloaded_gigabytes: float = 0.0
    """The same where its option `offload` leaves networks in the host's memory; 0 for one that has no such option."""
    weights: tuple[str, ...] = ()
    """Names of the published models that it loads, as `mouthpiece models list` has them."""
    imports: tuple[str, ...] = ()
    """Modules of its libraries that take seconds to import and start no thread. Where workers are forked, its replicas
    are forks of a process that has them."""
    packages: tuple[str, ...] = ()
    """Requirements of pip that can't live with the rest: it then runs in an environment of its own, which Ray makes on
    the node from this one with these laid over it. Its module imports them in the constructor and nowhere else, since
    its options are checked without them."""
    complete: bool = False
    """Whether `packages` are all that it needs besides what is here: pip then installs nothing else, whatever they
    declare."""
    provider: str = OURS
    """The package that it comes from."""
    version: str = "1"
    """Raised whenever the same request gives another result than before: what was made before is then made anew."""

    @property
    def deployment(self) -> str:
        """Name of its Ray Serve deployment."""
        return f"{self.capability}-{self.name}"

    def stretching(self, options: Mapping[str, object]) -> bool:
        """Whether it makes stretches with these options."""
        return self.stretches and not any(options.get(name) == value for name, value in self.whole_by)
