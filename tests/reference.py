"""Slow and obvious versions of what the library does fast."""

import math

import torch

from sdvar_core.models.var import VAR


def normalised(tokens, epsilon):
    """Layer norm without weights over the last axis."""
    mean = tokens.mean(dim=-1, keepdim=True)
    variance = ((tokens - mean) ** 2).mean(dim=-1, keepdim=True)
    return (tokens - mean) / (variance + epsilon).sqrt()


def linear(layer, inputs):
    return inputs @ layer.weight.T + layer.bias


def silu(inputs):
    return inputs / (1 + (-inputs).exp())


def tanh_gelu(inputs):
    return 0.5 * inputs * (1 + (math.sqrt(2 / math.pi) * (inputs + 0.044715 * inputs**3)).tanh())


def masked_attention(attention, tokens, mask):
    """Attention of tokens (batch, token, width) under a bool mask (token, token), head by head."""
    width = tokens.shape[-1]
    size = width // attention.heads
    weight = attention.query_key_value.weight
    queries = tokens @ weight[:width].T + attention.query_bias
    keys = tokens @ weight[width : 2 * width].T
    values = tokens @ weight[2 * width :].T + attention.value_bias
    heads = []
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        query, key, value = queries[..., part], keys[..., part], values[..., part]
        if attention.scale_multiplier is None:
            scores = query @ key.transpose(1, 2) * 0.25 / math.sqrt(size)
        else:
            query = query / (query**2).sum(-1, keepdim=True).sqrt()
            key = key / (key**2).sum(-1, keepdim=True).sqrt()
            scale = min(attention.scale_multiplier[0, head, 0, 0].item(), math.log(100))
            scores = query @ key.transpose(1, 2) * math.exp(scale)
        scores = scores.masked_fill(~mask, -math.inf)
        shares = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        heads.append(shares / shares.sum(dim=-1, keepdim=True) @ value)
    return linear(attention.output, torch.cat(heads, dim=-1))


def block_modulation(model, block, condition):
    """The six modulation vectors of a block, each (batch, width)."""
    if model.shared_modulation is None:
        merged = linear(block.modulation.linear, silu(condition))
    else:
        merged = linear(model.shared_modulation.linear, silu(condition)) + block.modulation.offset.flatten()
    return merged.chunk(6, dim=-1)


def all_logits(model: VAR, features, labels):
    """Logits (batch, positions, codes) of the first ``len(features)`` scales, by one pass under the full block mask.

    features: None for the first scale, then (batch, n², latent_channels) a scale.
    """
    condition = model.class_embedding.weight[labels]
    parts = []
    for scale, feature in enumerate(features):
        if feature is None:
            part = (condition + model.start_position[0])[:, None]
        else:
            part = linear(model.feature_embedding, feature)
        parts.append(part + model.level_embedding.weight[scale] + model.positions[:, model.schedule.positions(scale)])
    tokens = torch.cat(parts, dim=1)
    mask = torch.from_numpy(model.schedule.block_mask())[: tokens.shape[1], : tokens.shape[1]]
    epsilon = model.config.norm_eps
    for block in model.blocks:
        gamma1, gamma2, scale1, scale2, shift1, shift2 = (
            vector[:, None] for vector in block_modulation(model, block, condition)
        )
        inputs = normalised(tokens, epsilon) * (1 + scale1) + shift1
        tokens = tokens + gamma1 * masked_attention(block.attention, inputs, mask)
        inputs = normalised(tokens, epsilon) * (1 + scale2) + shift2
        tokens = tokens + gamma2 * linear(block.contract, tanh_gelu(linear(block.expand, inputs)))
    scale, shift = linear(model.head_modulation.linear, silu(condition))[:, None].chunk(2, dim=-1)
    return linear(model.head, normalised(tokens, epsilon) * (1 + scale) + shift)
