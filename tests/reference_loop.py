"""The original generation loop, ported plainly: what target-only decoding is compared with, in tokens and in time.

As published (design section 7): the modulation is computed anew at every scale, keys and values are concatenated to
what the layer has seen, biases are concatenated in every call. The luck and the distributions are ours, so that both
loops draw the same tokens.

``python -m tests.reference_loop --depth 16`` times it against ours on random weights, in turns, in one process.
"""

import argparse
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from sdvar_core.models.var import VAR, VARConfig
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig
from sdvar_core.official.layout import var_config, var_layout, vqvae_config, vqvae_layout
from sdvar_core.placement import PRECISIONS, choose
from sdvar_core.presets import IMAGENET_NAMES
from sdvar_core.probability import distribution, guidance_at, guide
from sdvar_core.randomness import Luck
from sdvar_core.request import Request
from sdvar_core.speculative.acceptance import target_answer
from sdvar_core.speculative.clock import synchronised_clock
from sdvar_core.speculative.next_scale import decode
from sdvar_core.speculative.pair import Pair
from sdvar_core.trace import Trace
from tests.official import var_file, vqvae_file


class GrowingAttention:
    """Self-attention over all that a layer has seen, its keys and values growing by concatenation."""

    def __init__(self, attention) -> None:
        self.attention, self.keys, self.values = attention, None, None

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        layer, (batch, count, width) = self.attention, tokens.shape
        bias = torch.cat((layer.query_bias, torch.zeros_like(layer.query_bias), layer.value_bias))
        merged = F.linear(tokens, layer.query_key_value.weight, bias).view(batch, count, 3, layer.heads, -1)
        queries, keys, values = merged.permute(2, 0, 3, 1, 4).unbind(dim=0)
        scale = 0.25 / queries.shape[-1] ** 0.5
        if layer.scale_multiplier is not None:
            scale = 1.0
            queries = F.normalize(queries, dim=-1) * layer.scale_multiplier.clamp_max(np.log(100.0)).exp()
            keys = F.normalize(keys, dim=-1)
        self.keys = keys if self.keys is None else torch.cat((self.keys, keys), dim=2)
        self.values = values if self.values is None else torch.cat((self.values, values), dim=2)
        queries, keys = queries.to(values.dtype), self.keys.to(values.dtype)
        attended = F.scaled_dot_product_attention(queries, keys, self.values, scale=scale)
        return layer.output(attended.transpose(1, 2).reshape(batch, count, width))


def layer_norm(tokens: torch.Tensor, epsilon: float) -> torch.Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], eps=epsilon)


@torch.inference_mode()
def target_only(model: VAR, quantizer, request: Request, labels: list[int]) -> list[torch.Tensor]:
    """The tokens of every scale, (batch, n²), of the target alone; guidance must be above 0."""
    config, device = model.config, model.positions.device
    batch, epsilon, luck = len(labels), config.norm_eps, Luck(request.seeds)
    condition = model.class_embedding(torch.tensor(labels + [config.classes] * batch, device=device))
    places = model.level_embedding(model.level_of_position) + model.positions
    inputs = condition[:, None] + model.start_position + places[:, :1]
    layers = [GrowingAttention(block.attention) for block in model.blocks]
    canvas, chosen = quantizer.empty_canvas(batch), []
    for scale, length in enumerate(config.schedule.lengths):
        shared = condition if model.shared_modulation is None else model.shared_modulation(condition)
        tokens = inputs
        for block, attention in zip(model.blocks, layers):
            gamma1, gamma2, scale1, scale2, shift1, shift2 = block.modulation(shared)[:, :, None].unbind(1)
            tokens = tokens + attention(layer_norm(tokens, epsilon) * (scale1 + 1) + shift1) * gamma1
            hidden = block.expand(layer_norm(tokens, epsilon) * (scale2 + 1) + shift2)
            tokens = tokens + block.contract(F.gelu(hidden, approximate="tanh")) * gamma2
        last_scale, last_shift = model.head_modulation(condition)[:, :, None].unbind(1)
        logits = model.head(layer_norm(tokens.float(), epsilon) * (last_scale + 1) + last_shift).double()
        strength = guidance_at(request.guidance, scale, len(config.sides))
        p = distribution(guide(*logits.chunk(2), strength), request.temperature, request.top_k, request.top_p)
        chosen.append(target_answer(p, luck.of_scale(scale, length)))
        canvas = quantizer.advance(canvas, chosen[-1], scale)
        if scale + 1 < len(config.sides):
            following = model.feature_embedding(quantizer.features(canvas, scale + 1))
            inputs = (following + places[:, config.schedule.positions(scale + 1)]).repeat(2, 1, 1)
    return chosen


def random_var(config: VARConfig, seed: int = 0) -> VAR:
    """A transformer with the random weights of a file of the official kind, without a file."""
    content, model = var_file(config, seed), VAR(config)
    model.load_state_dict({entry.name: content[entry.key] for entry in var_layout(config) if entry.name})
    return model.eval().requires_grad_(False)


def random_vqvae(config: VQVAEConfig) -> VQVAE:
    content, model = vqvae_file(config), VQVAE(config)
    named = {entry.name: content[entry.key] for entry in vqvae_layout(config) if entry.name}
    model.load_state_dict(named, strict=False)
    return model.eval().requires_grad_(False)


def ours(pair: Pair, request: Request) -> list[np.ndarray]:
    events = tuple(decode(pair, request, time.perf_counter, watch="none"))
    return Trace(pair.name, request, pair.schedule, pair.codes, events).tokens


def compare(depth: int, pictures: int, batch: int, device: str, precision: str) -> str:
    """Medians in milliseconds of the port and of ours, in turns, and the share of equal tokens."""
    config, place = var_config(depth), choose(device, precision)
    tokenizer = random_vqvae(vqvae_config(depth)).to(place.device)
    plain = random_var(config).to(place.device)
    forms = {"prepared": random_var(config).to(place.device).prepare(place.dtype)}
    if str(place) == "cpu, float32":
        forms["prepared and packed"] = random_var(config).prepare(packed=True)
    pairs = {
        name: Pair(name, config.schedule, config.codes, IMAGENET_NAMES, model, model, tokenizer)
        for name, model in forms.items()
    }
    clock = synchronised_clock(tokenizer.quantizer.codebook.device)
    spent: dict[str, list[float]] = {name: [] for name in ("port", *forms)}
    equal: dict[str, list[float]] = {name: [] for name in forms}
    for seed in [0, *range(pictures)]:
        labels = [(seed + index) % 1000 for index in range(batch)]
        request = Request(label=tuple(labels), seed=seed, gamma=0, guidance=1.5)
        began = clock()
        with torch.autocast(tokenizer.quantizer.codebook.device.type, place.dtype, place.precision != "float32"):
            expected = target_only(plain, tokenizer.quantizer, request, labels)
        spent["port"].append(clock() - began)
        for name, pair in pairs.items():
            began = clock()
            found = ours(pair, request)
            spent[name].append(clock() - began)
            same = [(one == two.cpu().numpy()).ravel() for one, two in zip(found, expected)]
            equal[name].append(float(np.concatenate(same).mean()))
    medians = {name: float(np.median(seconds[1:])) for name, seconds in spent.items()}
    lines = [f"depth {depth}, {place}, batch {batch}, guidance 1.5, {pictures} pictures in turns, medians"]
    lines.append(f"port of the original loop: {1000 * medians['port']:.0f} ms")
    lines += [
        f"{name}: {1000 * medians[name]:.0f} ms, {medians['port'] / medians[name]:.2f} times faster, "
        f"{100 * np.mean(equal[name]):.2f} % of tokens equal"
        for name in forms
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The original loop, ported, against ours.")
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS])
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    text = compare(options.depth, options.pictures, options.batch, options.device, options.precision)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
