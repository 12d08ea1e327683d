"""The language model of XTTS: from text and a speaker's likeness to one vector for every 46 ms of sound.

What coqui-tts 0.28 does in `inference_stream`, with the same numbers, but sampling from a generator of its own, so that
whatever else the process draws at random changes nothing, and never without an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from deployments.backends.voice.xtts.checkpoint import Likeness
from deployments.backends.voice.xtts.sampling import Sampling


@torch.inference_mode()
def latents(network: Any, text: Tensor, likeness: Likeness, manner: Sampling, limit: int) -> Iterator[Tensor]:
    """One (1, channels) vector for each audio token, as it is sampled, the stop token's too; at most `limit`.

    `text` is (1, n) token ids, without start and stop.
    """
    if manner.beams > 1:
        yield from _beamed(network, text, likeness, manner, limit)
        return
    from transformers import DynamicCache

    model = network.gpt
    prefix = _prefix(model, text, likeness)
    said = torch.ones(1, prefix.shape[1] + 1, dtype=torch.long, device=prefix.device)
    said[0, -1] = model.start_audio_token  # what stands before it are placeholders, as in the reference
    choose = _processors(manner)
    generator = torch.Generator(prefix.device).manual_seed(manner.seed)
    cache = DynamicCache(config=model.gpt.config)
    steps = torch.cat([prefix, _embedded(model, said[:, -1:], 0)], dim=1)
    for place in range(limit):
        hidden = model.gpt(inputs_embeds=steps, past_key_values=cache, use_cache=True).last_hidden_state
        latent = model.final_norm(hidden[:, -1])
        scores = choose(said, model.mel_head(latent).float())
        if manner.temperature > 0:
            token = torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)
        else:
            token = scores.argmax(dim=-1, keepdim=True)
        yield latent
        if int(token) == model.stop_audio_token:
            return
        said = torch.cat([said, token], dim=1)
        steps = _embedded(model, token, place + 1)


def _beamed(network: Any, text: Tensor, likeness: Likeness, manner: Sampling, limit: int) -> Iterator[Tensor]:
    """The same by beam search: the tokens first, then one pass for their vectors, as in `Xtts.inference`."""
    model = network.gpt
    devices = [text.device] if text.device.type == "cuda" else []
    sampled = manner.temperature > 0
    drawn = {"temperature": manner.temperature, "top_k": manner.top_k, "top_p": manner.top_p} if sampled else {}
    inputs = model.compute_embeddings(likeness.latent, text)
    with torch.random.fork_rng(devices):
        torch.manual_seed(manner.seed)
        made = model.gpt_inference.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            bos_token_id=model.start_audio_token,
            pad_token_id=model.stop_audio_token,
            eos_token_id=model.stop_audio_token,
            max_new_tokens=limit,
            do_sample=sampled,
            num_beams=manner.beams,
            num_return_sequences=1,
            length_penalty=manner.length_penalty,
            repetition_penalty=manner.repetition_penalty,
            **drawn,
        )
    codes = made[:, inputs.shape[1] :]
    vectors = model(
        text,
        torch.tensor([text.shape[-1]], device=text.device),
        codes,
        torch.tensor([codes.shape[-1] * model.code_stride_len], device=text.device),
        cond_latents=likeness.latent,
        return_attentions=False,
        return_latent=True,
    )
    yield from vectors[0, : codes.shape[-1]].unsqueeze(1)


def _prefix(model: Any, text: Tensor, likeness: Likeness) -> Tensor:
    """(1, n, channels): the speaker, then the text between its start and its stop."""
    start, stop = (text.new_full((1, 1), token) for token in (model.start_text_token, model.stop_text_token))
    ids = torch.cat([start, text, stop], dim=1)
    return torch.cat([likeness.latent, model.text_embedding(ids) + model.text_pos_embedding(ids)], dim=1)


def _embedded(model: Any, token: Tensor, place: int) -> Tensor:
    position = model.mel_pos_embedding.get_fixed_embedding(place, token.device)
    return model.mel_embedding(token) + position


def _processors(manner: Sampling) -> Any:
    """What is done to the scores, in the order of transformers' own `generate`."""
    from transformers import (
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    chosen: list[Any] = []
    if manner.repetition_penalty != 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(manner.repetition_penalty))
    if manner.temperature > 0:
        if manner.temperature != 1:
            chosen.append(TemperatureLogitsWarper(manner.temperature))
        if manner.top_k > 0:
            chosen.append(TopKLogitsWarper(manner.top_k))
        if manner.top_p < 1:
            chosen.append(TopPLogitsWarper(manner.top_p))
    return LogitsProcessorList(chosen)
