import pytest
from openai import NotFoundError, OpenAI

pytestmark = pytest.mark.server


def test_list(openai: OpenAI) -> None:
    models = list(openai.models.list())
    assert [model.id for model in models] == [
        "voice-espeak",
        "avatar-procedural",
        "face-mediapipe",
        "lipsync-meshwarp",
        "motion-kenburns",
        "upscale-lanczos",
        "transcribe-align",
    ]
    assert {model.owned_by for model in models} == {"mouthpiece"}
    assert {model.object for model in models} == {"model"}


def test_one(openai: OpenAI) -> None:
    listed = next(iter(openai.models.list()))
    assert openai.models.retrieve(listed.id) == listed


@pytest.mark.parametrize("name", ["gpt-9", "espeak", "voice-", "voice-ESPEAK", "..%2fstatus"])
def test_unknown(openai: OpenAI, name: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        openai.models.retrieve(name)
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    assert "voice-espeak" in str(refused.value.body)
