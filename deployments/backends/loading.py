"""From a registry row to a model: import, check of protocol and options, construction."""

from __future__ import annotations

import importlib
import inspect
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from pipeline.errors import SettingsError
from pipeline.models import (
    AvatarModel,
    CloningVoice,
    DubbingModel,
    FaceModel,
    LipsyncModel,
    MotionModel,
    StretchingModel,
    TranscribeModel,
    UpscaleModel,
    VoiceModel,
)
from pipeline.secrets import secret_name

PROTOCOLS: Mapping[str, type] = {
    "voice": VoiceModel,
    "avatar": AvatarModel,
    "face": FaceModel,
    "lipsync": LipsyncModel,
    "motion": MotionModel,
    "upscale": UpscaleModel,
    "transcribe": TranscribeModel,
}


@dataclass(frozen=True, slots=True)
class Option:
    """One keyword argument of a backend's constructor that the settings may give."""

    name: str
    type: str
    """As it is written in the source."""
    default: Any
    """`inspect.Parameter.empty` where it has to be given."""


@dataclass(frozen=True, slots=True)
class Target:
    """`module:Class` of a backend, with what an error about it has to say."""

    capability: str
    name: str
    path: str
    install: str
    clones: bool = False
    dubs: bool = False
    stretches: bool = False

    def attribute(self) -> Any:
        """What the path points to. Raises `SettingsError` with code missing_dependency or invalid_backend."""
        module, _, attribute = self.path.partition(":")
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and f"{module}.".startswith(f"{error.name}."):
                raise self._invalid(f"there is no module {module!r}", "module:Class") from error
            raise self.missing(error) from error
        except ImportError as error:
            raise self.missing(error) from error
        except Exception as error:
            # Another package's module may raise anything while it is imported; say which one it was.
            raise self._invalid(f"importing {module} raised {type(error).__name__}: {error}", "module:Class") from error
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise self._invalid(f"{module} has no {attribute!r}", "module:Class")
            found = getattr(found, part)
        return found

    def load(self) -> type:
        """The class, which has every method of the capability's protocol."""
        found = self.attribute()
        if not inspect.isclass(found):
            raise self._invalid(f"{self.path} is not a class", "a class")
        claims = ((self.clones, CloningVoice), (self.dubs, DubbingModel), (self.stretches, StretchingModel))
        wider = [protocol for claimed, protocol in claims if claimed]
        for protocol in wider or [PROTOCOLS[self.capability]]:
            methods = [name for kind in reversed(protocol.__mro__) for name in vars(kind) if not name.startswith("_")]
            missing = [name for name in methods if not callable(getattr(found, name, None))]
            if missing:
                raise self._invalid(
                    f"{self.path} is no {protocol.__name__}: it has no {', '.join(missing)}",
                    f"the methods {', '.join(methods)} of pipeline.models.{protocol.__name__}",
                )
        return found

    def options(self) -> tuple[Option, ...]:
        """What may stand under `options.<name>` in the settings."""
        return tuple(
            Option(parameter.name, _written(parameter.annotation), parameter.default)
            for parameter in _parameters(self.load())
        )

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as the constructor wants them (a list made the tuple that it says, and so on).

        Raises `SettingsError`: unknown_option, missing_option or invalid_option, naming the valid ones.
        """
        kind = self.load()
        parameters = {parameter.name: parameter for parameter in _parameters(kind)}
        listed = ", ".join(parameters) or "none"
        for name in options:
            if name not in parameters:
                raise self._refused("unknown_option", name, f"{self.name} has no option {name!r}", listed)
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in options:
                raise self._refused("missing_option", name, f"{self.name} needs the option {name!r}", listed)
        types = self._types(kind) if options else {}
        return {name: self._typed(name, value, types.get(name, Any)) for name, value in options.items()}

    def _types(self, kind: type) -> dict[str, Any]:
        try:
            return typing.get_type_hints(kind.__init__)
        except (NameError, TypeError, AttributeError) as error:
            raise self._invalid(f"{self.path} has an annotation that can't be resolved: {error}", "types") from None

    def _typed(self, name: str, value: Any, wanted: Any) -> Any:
        try:
            adapter = TypeAdapter(wanted)
        except PydanticSchemaGenerationError:
            message = f"the option {name!r} of {self.name} can't be set from a file: it is a {wanted}"
            raise self._refused("invalid_option", name, message, "leaving it out") from None
        try:
            # By way of JSON, strict: a list becomes a tuple and text a path, but text never a number.
            return adapter.validate_json(json.dumps(value), strict=True)
        except TypeError:
            message = f"the option {name!r} of {self.name} is no plain value{_got(name, value)}"
            raise self._refused("invalid_option", name, message, "text, numbers, lists and sections") from None
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]["msg"].removeprefix("Input should be ")
            message = f"the option {name!r} of {self.name} must be {wrong}{_got(name, value)}"
            raise self._refused("invalid_option", name, message, wrong) from None

    def missing(self, error: ImportError) -> SettingsError:
        """What to say where a part that the backend needs is not installed."""
        return SettingsError(
            f"The {self.capability} backend {self.name} can't be imported: {error}.",
            code="missing_dependency",
            field=f"{self.capability}.backends",
            accepted=self.install or "an installation of all its dependencies",
        )

    def _invalid(self, what: str, accepted: str) -> SettingsError:
        message = f"The {self.capability} backend {self.name} can't be used: {what}."
        return SettingsError(message, code="invalid_backend", field=f"{self.capability}.backends", accepted=accepted)

    def _refused(self, code: str, option: str, what: str, accepted: str) -> SettingsError:
        field = f"options.{self.name}.{option}"
        return SettingsError(f"{field}: {what}.", code=code, field=field, accepted=accepted)


def _got(option: str, value: Any) -> str:
    return "" if secret_name(option) else f", got {value!r}"


def construct(target: Target, options: Mapping[str, Any]) -> Any:
    """The model. An import that fails only now, inside the constructor, says what to install as well.

    A `ValueError` of the constructor is about its arguments, so it is the options that are refused.
    """
    kind = target.load()
    checked = target.check(options)
    try:
        return kind(**checked)
    except ImportError as error:
        raise target.missing(error) from error
    except ValueError as error:
        field = f"options.{target.name}"
        raise SettingsError(f"{field}: {error}", code="invalid_option", field=field, accepted=str(error)) from error


def _parameters(kind: type) -> list[inspect.Parameter]:
    """The named parameters of the constructor, without self."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter for parameter in inspect.signature(kind).parameters.values() if parameter.kind in by_name]


def _written(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
