from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from openai import ConflictError, NotFoundError, OpenAI, UnprocessableEntityError
from openai.types.audio.voice_consent import VoiceConsent

from tests.api.conftest import wav

pytestmark = pytest.mark.server

NOBODY = "cons_00000000000000000000000000"


@pytest.fixture
def consent(openai: OpenAI, clip: bytes) -> Iterator[VoiceConsent]:
    made = openai.audio.voice_consents.create(name="Ada's consent", language="en-US", recording=("c.wav", clip))
    yield made
    openai.audio.voice_consents.delete(made.id)


def test_a_consent_is_kept_and_renamed(openai: OpenAI, consent: VoiceConsent) -> None:
    assert consent.id.startswith("cons_")
    assert (consent.object, consent.name, consent.language) == ("audio.voice_consent", "Ada's consent", "en-US")
    assert openai.audio.voice_consents.retrieve(consent.id) == consent
    renamed = openai.audio.voice_consents.update(consent.id, name="Ada")
    assert renamed == consent.model_copy(update={"name": "Ada"})
    assert openai.audio.voice_consents.retrieve(consent.id) == renamed


def test_pages(openai: OpenAI, clip: bytes) -> None:
    made = [
        openai.audio.voice_consents.create(name=f"Consent {n}", language="en", recording=("c.wav", clip)).id
        for n in range(3)
    ]
    assert [found.id for found in openai.audio.voice_consents.list(limit=1)] == made[::-1]  # the client turns pages
    first = openai.audio.voice_consents.list(limit=2)
    assert [found.id for found in first.data] == made[:0:-1]
    assert first.has_more
    for one in made:
        gone = openai.audio.voice_consents.delete(one)
        assert (gone.id, gone.deleted, gone.object) == (one, True, "audio.voice_consent")
    assert list(openai.audio.voice_consents.list()) == []


def test_a_voice_is_made_used_and_deleted(
    openai: OpenAI, api: httpx.Client, consent: VoiceConsent, clip: bytes
) -> None:
    voice = openai.audio.voices.create(name="Ada", consent=consent.id, audio_sample=("ada.wav", clip))
    assert (voice.object, voice.name, voice.type) == ("audio.voice", "Ada", "audio_sample")
    assert api.get("/api/v1/voices/Ada").json()["consent"] == consent.id

    def spoken(who: object) -> bytes:
        return openai.audio.speech.create(
            input="Hello.",
            model="tts-1",
            voice=who,  # ty: ignore[invalid-argument-type]
            response_format="pcm",
        ).read()

    assert spoken({"id": voice.id}) == spoken("Ada") != spoken("en-us")
    with pytest.raises(ConflictError) as held:
        openai.audio.voice_consents.delete(consent.id)
    assert held.value.code == "consent_in_use"
    gone = openai.audio.voices.delete(voice.id)
    assert (gone.id, gone.deleted, gone.object) == (voice.id, True, "audio.voice.deleted")
    with pytest.raises(UnprocessableEntityError) as refused:
        spoken({"id": voice.id})
    assert (refused.value.code, refused.value.param) == ("unknown_name", "voice")
    with pytest.raises(NotFoundError):
        openai.audio.voices.delete(voice.id)


@pytest.mark.parametrize("consent_id", [NOBODY, "cons_1234", "../voices", "x" * 90])
def test_no_voice_without_consent(openai: OpenAI, clip: bytes, consent_id: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        openai.audio.voices.create(name="Eve", consent=consent_id, audio_sample=("eve.wav", clip))
    assert refused.value.param == "consent"
    with pytest.raises(NotFoundError):
        openai.audio.voice_consents.retrieve(NOBODY)
    with pytest.raises(NotFoundError):
        openai.audio.voice_consents.delete(NOBODY)
    with pytest.raises(NotFoundError):
        openai.audio.voice_consents.update(NOBODY, name="x")


def test_voices_are_not_made_from_prompts(openai: OpenAI) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.audio.voices.create(name="Eve", type="prompt", prompt="a deep calm voice")
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("recording", "code"),
    [
        (b"", "empty"),
        (b"this is not a recording", "not_audio"),
        (wav(np.zeros(48_000)), "silent"),
        (wav(np.sign(np.sin(np.arange(48_000) / 9))), "clipped"),
    ],
)
def test_unusable_recordings(openai: OpenAI, consent: VoiceConsent, recording: bytes, code: str) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.audio.voice_consents.create(name="Eve", language="en", recording=("c.wav", recording))
    assert (refused.value.code, refused.value.param) == (code, "recording")
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.audio.voices.create(name="Eve", consent=consent.id, audio_sample=("c.wav", recording))
    assert (refused.value.code, refused.value.param) == (code, "audio_sample")


def test_a_language_is_a_language(openai: OpenAI, clip: bytes) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.audio.voice_consents.create(name="Eve", language="!", recording=("c.wav", clip))
    assert refused.value.param == "language"
