"""Muon for the matrices of the blocks and AdamW for everything else, behind the face of one optimizer."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest matrices with singular values around 1, by a quintic Newton-Schulz iteration in bfloat16.

    matrices: (count, rows, columns), iterated together. Source: Jordan et al. 2024, "Muon".
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(torch.bfloat16)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised: every direction of a matrix learns at the same rate.

    params: matrices (rows, columns); one whose rows are a multiple of its columns and that stacks several maps
    (queries, keys, values) is passed with ``stacked`` on it, see ``parameter_groups``.
    Source: Jordan et al. 2024; the factor sqrt(rows / columns) from the same.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "stacked": 1})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every matrix that has a gradient, those of one shape together."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                self._update(parameters, shape, group)

    def _update(self, parameters: list[nn.Parameter], shape: torch.Size, group: dict[str, Any]) -> None:
        directions = []
        for parameter in parameters:
            momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            momentum.lerp_(parameter.grad, 1 - group["momentum"])
            directions.append(parameter.grad.lerp(momentum, group["momentum"]))  # Nesterov's look ahead
        rows, columns = shape[0] // group["stacked"], shape[1]
        updates = orthogonalised(torch.stack(directions).view(-1, rows, columns)).view(-1, *shape)
        factor = max(1.0, rows / columns) ** 0.5
        for parameter, update in zip(parameters, updates):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.to(parameter.dtype), alpha=-group["lr"] * factor)


class MuonWithAdamW:
    """Both optimizers as one: step, zero_grad, param_groups, and a state that can be saved."""

    def __init__(self, muon: Muon, adamw: torch.optim.AdamW) -> None:
        self.parts = {"muon": muon, "adamw": adamw}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, for a schedule that sets ``lr``."""
        return [group for part in self.parts.values() for group in part.param_groups]

    def step(self) -> None:
        """Update all parameters."""
        for part in self.parts.values():
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for part in self.parts.values():
            part.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state of both, to be saved."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def optimizer_for(model: nn.Module, muon_rate: float = 2e-2, adamw_rate: float = 2e-3) -> MuonWithAdamW:
    """Muon on the matrices of ``model.blocks``, AdamW on embeddings, head, modulation, biases and scales."""
    stacked, matrices, rest = [], [], []
    for name, parameter in model.named_parameters():
        if not name.startswith("blocks.") or parameter.ndim != 2 or "modulation" in name:
            rest.append(parameter)
        elif "query_key_value" in name:
            stacked.append(parameter)
        else:
            matrices.append(parameter)
    muon = Muon([{"params": stacked, "stacked": 3}, {"params": matrices}], lr=muon_rate, weight_decay=0.01)
    return MuonWithAdamW(muon, torch.optim.AdamW(rest, lr=adamw_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True))
