"""Networks with random weights that behave as trained ones do: no layer's output dies out or explodes."""

from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Module = TypeVar("Module", bound=nn.Module)


def settle(network: Module, side: int = 64) -> Module:
    """BatchNorm statistics as they are on noise, with scales and shifts of their own; the network in `eval()` mode."""
    generator = torch.Generator().manual_seed(7)
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
        nn.init.uniform_(layer.weight, 0.7, 1.3, generator=generator)
        nn.init.uniform_(layer.bias, -0.3, 0.3, generator=generator)
    with torch.no_grad():
        network.train()(torch.randn(4, 3, side, side, generator=generator))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return network.eval()
