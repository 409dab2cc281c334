"""DeepLIFT's rescale rule: contributions that sum to the difference from a reference, in an unmodified model.

A. Shrikumar et al., "Learning important features through propagating activation differences" (2017). The input and its
reference go through the model as one batch; a nonlinearity's multiplier is (f(x) - f(x0)) / (x - x0).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet


def rescaled(fn: Callable[[torch.Tensor], torch.Tensor]) -> type[nexnet.Policy]:
    """Make the rescale rule of an elementwise function."""

    class rescale(nexnet.Policy):
        """f(x):  dx = g (f(x) - f(x0)) / (x - x0), and none for x0; f'(x) where the two are one."""

        def forward(self, x):
            out = fn(x)
            self.ctx.save(x, out)
            return out

        def backward(self, grad):
            (x, x0), (y, y0) = (each.chunk(2) for each in self.ctx.release)
            far = (x - x0).abs() > 1e-7
            step = 1e-4
            slope = (fn(x + step) - fn(x - step)) / (2 * step)
            multiplier = torch.where(far, (y - y0) / torch.where(far, x - x0, 1.0), slope)
            g, g0 = grad.chunk(2)
            return torch.cat((g * multiplier, torch.zeros_like(g0)))

    return rescale


RULES = {F.relu: rescaled(torch.relu), torch.sigmoid: rescaled(torch.sigmoid), torch.tanh: rescaled(torch.tanh)}


def contributions(model: nn.Module, x: torch.Tensor, reference: torch.Tensor, rules: Any) -> Any:
    """Give what each element of ``x`` (examples in front) contributes to the model's outputs, summed over those."""

    def score(x):
        return nexnet.functional_call(model, {}, (torch.cat((x, nexnet.LiteTensor(reference))),))[: len(x)].sum()

    with nexnet.override(rules):
        return nexnet.grad(score)(x).data * (x - reference)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    x, reference = torch.randn(3, 4, dtype=torch.float64), torch.zeros(3, 4, dtype=torch.float64)
    found = contributions(model, x, reference, {F.relu: RULES[F.relu]})
    print("contributions:", [round(each, 6) for each in found.sum(1).tolist()])
    with torch.no_grad():
        print("differences:  ", [round(each, 6) for each in (model(x) - model(reference)).flatten().tolist()])
