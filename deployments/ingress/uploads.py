"""Request bodies: bounded while they arrive, JSON or multipart, checked against one contract."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.contracts import Contract
from pipeline.errors import InvalidRequest, TooLarge

C = TypeVar("C", bound=Contract)

MEGABYTE: Final = 1 << 20

JSON_MEGABYTES: Final = 16
"""Largest JSON body: a million characters at twelve bytes each (\\ud83d\\ude00), and room. Parsed, JSON takes up to
twenty times its size, so that what is enough for files would be too much."""

TEXT_BYTES: Final = 4 * MEGABYTE
"""Of one text in a form: a million characters at four bytes each."""

KINDS: Final = {
    "extra_forbidden": "unknown_field",
    "missing": "missing_field",
    "string_unicode": "invalid_characters",
}
"""pydantic's word for what is wrong -> ours, where ours is finer than invalid_request."""

TEXTS: Final = {
    (field, kind): code
    for field in ("text", "input")
    for kind, code in (("string_too_short", "text_empty"), ("string_too_long", "text_too_long"))
}
"""The same for a text that is spoken: the codes of `pipeline.text.normalise`."""


class BodyLimit:
    """ASGI middleware: refuses a body as soon as more than `limit` bytes of it have come, or are announced."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limit:
            await self._app(scope, self._refusing, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    async def _refusing(self) -> Message:
        raise self._refusal()

    def _refusal(self) -> TooLarge:
        return TooLarge(
            "The upload is too large.", field="body", accepted=f"at most {self._limit // MEGABYTE} megabytes in all"
        )


async def read(request: Request, contract: type[C], files: tuple[str, ...] = ()) -> C:
    """The body as `contract`. `files` are its bytes fields: parts of a multipart body, refused in JSON.

    In a multipart body other fields are text, as files of UTF-8 too (`text=@script.txt`); `backends.voice=...` sets a
    nested one, at any depth.
    Raises `InvalidRequest` naming the field, `TooLarge` past the limit.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return check(contract, await _form(request, contract, files))
    if kind not in ("", "application/json"):
        raise InvalidRequest(
            f"The body is {kind}.",
            code="unsupported_content_type",
            field="content-type",
            accepted="application/json, multipart/form-data",
        )
    return check(contract, await _json(request, files), strict=True)


def check(contract: type[C], fields: dict[str, Any], strict: bool = False) -> C:
    """`contract(**fields)`, with pydantic's complaint turned into ours. `strict` takes no text for a number."""
    try:
        return contract.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise complaint(error, contract) from None


def complaint(error: ValidationError, contract: type[Contract] | None = None) -> InvalidRequest:
    """The first thing that pydantic found wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    accepted = None
    if first["type"] == "extra_forbidden":
        accepted = _known(contract, first["loc"][:-1])
    elif first["type"] == "literal_error":
        accepted = str(first.get("ctx", {}).get("expected"))
    return InvalidRequest(
        f"{field or 'body'}: {first['msg']}",
        code=KINDS.get(first["type"]) or TEXTS.get((field, first["type"])) or "invalid_request",
        field=field or "body",
        accepted=accepted,
    )


def _known(contract: type[Contract] | None, place: tuple[int | str, ...]) -> str | None:
    """The fields that there are at `place` in a contract."""
    for name in place:
        inner = None if contract is None else contract.model_fields[str(name)].annotation
        contract = inner if isinstance(inner, type) and issubclass(inner, Contract) else None
    return None if contract is None else ", ".join(contract.model_fields)


async def _json(request: Request, files: tuple[str, ...]) -> dict[str, Any]:
    body = await request.body()
    if len(body) > JSON_MEGABYTES * MEGABYTE:
        raise TooLarge(
            "The JSON is too large.", field="body", accepted=f"at most {JSON_MEGABYTES} megabytes; files go into a form"
        )
    try:
        fields = json.loads(body, parse_float=_number, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not JSON: {error}", code="invalid_json", field="body") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The body is not a JSON object.", code="invalid_json", field="body", accepted="an object")
    for name in files:
        if fields.get(name) is not None:
            raise InvalidRequest(
                f"{name} is a file.", code="file_in_json", field=name, accepted="a file part of multipart/form-data"
            )
        fields.pop(name, None)
    return fields


def _number(text: str) -> float:
    """JSON knows one kind of number: 512.0 is as whole as 512."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


async def _form(request: Request, contract: type[Contract], files: tuple[str, ...]) -> dict[str, Any]:
    try:
        form = await request.form(max_files=8, max_fields=64, max_part_size=TEXT_BYTES)
    except HTTPException as error:
        raise InvalidRequest(str(error.detail), code="invalid_form", field="body") from None
    try:
        return await _fields(form, contract, files)
    finally:
        await form.close()


async def _fields(form: FormData, contract: type[Contract], files: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name not in files and name in contract.model_fields:
            value = await _text(name, value)
        if name.endswith("[]") and isinstance(value, str):  # as OpenAI's clients write lists
            values = fields.setdefault(name.removesuffix("[]"), [])
            if not isinstance(values, list):
                raise InvalidRequest(f"{name} is given twice.", code="given_twice", field=name)
            values.append(value)
            continue
        if name in fields:
            raise InvalidRequest(f"{name} is given twice.", code="given_twice", field=name)
        if isinstance(value, UploadFile):
            if name not in files:
                raise InvalidRequest(f"{name} is not a file.", code="unknown_file", field=name, accepted=_listed(files))
            fields[name] = await value.read()
        elif name in files:
            raise InvalidRequest(
                f"{name} has to be a file.", code="not_a_file", field=name, accepted="a part with a file name"
            )
        else:
            _nest(fields, name, value)
    return fields


async def _text(name: str, file: UploadFile) -> str:
    """Of a field that holds text and came as a file."""
    data = await file.read(TEXT_BYTES + 1)
    if len(data) > TEXT_BYTES:
        raise TooLarge(f"{name} is too large.", field=name, accepted=f"at most {TEXT_BYTES // MEGABYTE} megabytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(
            f"{name} is no UTF-8 text.", code="invalid_characters", field=name, accepted="text in UTF-8"
        ) from None


def _nest(fields: dict[str, Any], name: str, value: str) -> None:
    *sections, key = name.split(".")
    for section in sections:
        fields = fields.setdefault(section, {})
        if not isinstance(fields, dict):
            break
    if not isinstance(fields, dict) or key in fields:
        raise InvalidRequest(f"{name} is given twice.", code="given_twice", field=name)
    fields[key] = value


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no files"


def body_schema(contract: type[Contract], files: tuple[str, ...] = ()) -> dict[str, Any]:
    """OpenAPI's `requestBody` of a route that calls `read`."""
    schema = contract.model_json_schema(ref_template="#/components/schemas/{model}")
    for definition in schema.pop("$defs", {}).values():
        for name, field in schema["properties"].items():
            if str(definition.get("title")) in str(field.get("$ref", "")):
                schema["properties"][name] = {**definition, "default": field.get("default")}
    plain = {name: field for name, field in schema["properties"].items() if name not in files}
    content: dict[str, Any] = {}
    required = schema.get("required", [])
    if not set(files) & set(required):
        content["application/json"] = {"schema": _object(plain, required)}
    if files:
        parts = {name: {"type": "string", "format": "binary"} for name in files}
        content["multipart/form-data"] = {"schema": _object(_flat(plain) | parts, required)}
    return {"requestBody": {"required": True, "content": content}}


def _flat(properties: dict[str, Any]) -> dict[str, Any]:
    """As parts of a form, which have no parts of their own: `backends.voice`."""
    flat: dict[str, Any] = {}
    for name, field in properties.items():
        inner = field["properties"] if field.get("type") == "object" else None
        flat |= {name: field} if inner is None else {f"{name}.{key}": value for key, value in inner.items()}
    return flat


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
