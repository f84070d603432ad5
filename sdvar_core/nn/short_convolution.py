"""A short causal depthwise convolution over a chain or a tree of tokens, with its state."""

import torch
from torch import Tensor, nn

from sdvar_core.topology import Topology


class ShortConvolution(nn.Module):
    """Each channel is a weighted sum of its last ``width`` inputs, the token's own the last of them.

    The state is the last ``width − 1`` inputs, (batch, width − 1, channels), zeros before the text; it comes in and
    goes out anew. Source: Yang et al. 2024, figure 1; the tree form: design section 5.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.zeros(channels, 1, width))

    def forward(self, inputs: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of consecutive tokens, (batch, token, channels) like the inputs, and the new state."""
        rows, count = torch.cat([cache.to(inputs.dtype), inputs], dim=1), inputs.shape[1]
        outputs = sum(rows[:, lag : lag + count] * self.weight[:, 0, lag] for lag in range(self.width))
        return outputs, rows[:, count:]

    def tree(self, inputs: Tensor, cache: Tensor, topology: Topology) -> tuple[Tensor, Tensor]:
        """Outputs of the nodes of a tree, (batch, node, channels), and all rows from which ``cache_at`` picks.

        The window of a node is its own ancestors, then the committed inputs.
        """
        rows = torch.cat([cache.to(inputs.dtype), inputs], dim=1)
        windows = torch.from_numpy(topology.windows(self.width)).to(rows.device)  # (node, width)
        outputs = sum(rows[:, windows[:, lag]] * self.weight[:, 0, lag] for lag in range(self.width))
        return outputs, rows


def cache_at(rows: Tensor, topology: Topology, node: int, width: int) -> Tensor:
    """The state after a node of a tree that was read: the last width − 1 inputs on its path."""
    if node < 0:
        return rows[:, : width - 1]
    return rows[:, topology.windows(width)[node, 1:].tolist()]
