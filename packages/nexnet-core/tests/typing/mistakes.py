"""A user's mistakes: after ``# E:`` stand the errors of mypy and of pyright, which both must find, and none besides."""

import torch

import nexnet
from nexnet import LiteTensor

x = nexnet.randn(3)


def loss(w: LiteTensor, scale: float = 1.0) -> LiteTensor:
    """Give a tensor."""
    return (w * scale).sum()


x.exq()  # E: attr-defined, reportAttributeAccessIssue
nexnet.exq(x)  # E: attr-defined, reportAttributeAccessIssue
x.grad  # E: attr-defined, reportAttributeAccessIssue
x.add_(1)  # E: attr-defined, reportAttributeAccessIssue
nexnet.exp(x, x)  # E: call-arg, reportCallIssue
nexnet.exp("x")  # E: arg-type, reportArgumentType
nexnet.sum(x, dims=0)  # E: call-arg, reportCallIssue
nexnet.softmax(x)  # E: call-arg, reportCallIssue
x.sum(dim="rows")  # E: arg-type, reportArgumentType
x + "1"  # E: arg-type, reportOperatorIssue
x.shape = torch.Size((3,))  # E: misc, reportAttributeAccessIssue
values: torch.Tensor = x.exp()  # E: assignment, reportAssignmentType
nexnet.randn(3, dtype="float32")  # E: arg-type, reportArgumentType
nexnet.linalg.inverse_of(x)  # E: attr-defined, reportAttributeAccessIssue

nexnet.grad(loss)(x, scale="large")  # E: call-overload, reportCallIssue, reportArgumentType
nexnet.grad(loss)(x, size=2.0)  # E: call-overload, reportCallIssue
nexnet.value_and_grad(loss)()  # E: call-overload, reportCallIssue
nexnet.vmap(loss)(x, "large")  # E: arg-type, reportArgumentType
nexnet.checkpoint(loss)(x, 1.0, 2.0)  # E: call-arg, reportCallIssue
nexnet.grad(loss)(x).exq()  # E: attr-defined, reportAttributeAccessIssue
nexnet.grad(3)  # E: call-overload, reportArgumentType
nexnet.function(loss)  # E: arg-type, reportArgumentType
