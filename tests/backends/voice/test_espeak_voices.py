from __future__ import annotations

from deployments.backends.voice import espeak_voices


def test_every_voice_speaks_what_it_says_it_speaks() -> None:
    for name, tags in espeak_voices.voices().items():
        for tag in tags:
            language, _ = espeak_voices.voice_of(name, espeak_voices.language_of(tag))
            assert language.identifier


def test_a_tag_may_be_wider_than_any_language() -> None:
    assert espeak_voices.language_of("chr").tags[0] == "chr-us-qaaa-x-west"
    assert espeak_voices.language_of("zh").tags[0] == "cmn"
