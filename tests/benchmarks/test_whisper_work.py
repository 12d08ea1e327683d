"""What Whisper computes, counted by hand, is what torch counts in transformers' Whisper."""

from itertools import pairwise

import pytest

from benchmarks.gpu_timing import flop
from benchmarks.whisper_work import BANDS, FRAMES, HEARD, Sizes

torch = pytest.importorskip("torch", reason="make models")


def test_its_flop_are_those_that_torch_counts() -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    sizes = Sizes(layers=2, width=24, heads=3, inner=40, vocabulary=500)
    config = WhisperConfig(
        vocab_size=sizes.vocabulary,
        num_mel_bins=BANDS,
        d_model=sizes.width,
        encoder_layers=sizes.layers,
        decoder_layers=sizes.layers,
        encoder_attention_heads=sizes.heads,
        decoder_attention_heads=sizes.heads,
        encoder_ffn_dim=sizes.inner,
        decoder_ffn_dim=sizes.inner,
        use_cache=False,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    network = WhisperForConditionalGeneration(config).eval()
    network.set_attn_implementation("eager")
    sound, heard = torch.zeros(1, BANDS, FRAMES), torch.zeros(1, HEARD, sizes.width)
    token = torch.zeros(1, 1, dtype=torch.long)
    with torch.no_grad():
        assert flop(lambda: network.model.encoder(sound)) == sizes.encoder()
        decoded = flop(
            lambda: network.proj_out(network.model.decoder(token, encoder_hidden_states=heard).last_hidden_state)
        )
    assert decoded == sizes.heard() + sizes.tokens(1)


def test_every_further_token_looks_at_one_more() -> None:
    sizes = Sizes(layers=2, width=24, heads=3, inner=40, vocabulary=500)
    steps = [sizes.tokens(count) - sizes.tokens(count - 1) for count in range(1, 6)]
    assert {later - earlier for earlier, later in pairwise(steps)} == {2 * 2 * 24 * 2}


def test_the_encoder_of_whisper_tiny() -> None:
    """36.9 GFLOP, as measured on the reference's."""
    assert Sizes(4, 384, 6, 1536, 51_865).encoder() == pytest.approx(36.94e9, rel=1e-3)
