"""Distances and similarities as layers of two inputs."""

from __future__ import annotations

import nexnet

from .operation import Operation

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Operation):
    """The cosine of the angle between x1 and x2 along a dimension; both broadcast.

    What comes out has their shape without that dimension.

    Attributes:
        dim: which dimension.
        eps: the least norm.

    Raises:
        RuntimeError: torch's, when it is called: shapes that do not broadcast.
        IndexError: torch's, when it is called: no such dimension.

    Example::

        >>> nn.CosineSimilarity()(nexnet.tensor([[1.0, 0.0]]), nexnet.tensor([[1.0, 1.0]]))
        LiteTensor([0.7071])
    """

    dim: int = 1
    eps: float = 1e-8

    operator = nexnet.cosine_similarity


class PairwiseDistance(Operation):
    """The p-norm of x1 - x2 + eps over the last dimension; the others broadcast.

    Attributes:
        p: which norm.
        eps: is added to each difference.
        keepdim: whether the last dimension stays, with size 1.

    Raises:
        RuntimeError: torch's, when it is called: shapes that do not broadcast.

    Example::

        >>> nn.PairwiseDistance()(nexnet.zeros(5, 3), nexnet.ones(5, 3)).shape
        torch.Size([5])
    """

    p: float = 2.0
    eps: float = 1e-6
    keepdim: bool = False

    operator = nexnet.pairwise_distance
