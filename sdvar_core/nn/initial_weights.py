"""Initial weights of convolutional models, drawn from a generator that the caller owns."""

from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def initialise(model: Model, generator: torch.Generator) -> Model:
    """Draw initial weights in place and return the model; norms stay as they are.

    Convolutions and linear layers: weights and biases uniform within ± fan-in^−½. Embeddings: standard normal. These
    are torch's own laws (He et al. 2015, with a negative slope of √5), which torch draws from its global generator.
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = module.weight[0].numel() ** -0.5
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-bound, bound, generator=generator)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, 1, generator=generator)
    return model
