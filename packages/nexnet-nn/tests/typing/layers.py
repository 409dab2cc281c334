"""Layers, losses and optimisers in a user's code, and mistakes: see the core's ``tests/typing``."""

from typing import assert_type

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

x = nexnet.randn(8, 3)


class Residual(nn.Module):
    """A layer of one's own, with the ``__init__`` that its fields give it."""

    inner: nn.Dense
    scale: float = 1.0

    def __call__(self, x: LiteTensor) -> LiteTensor:
        return x + self.scale * self.inner(x)


def loss(model: Residual, x: LiteTensor) -> LiteTensor:
    """Give a tensor."""
    return nn.mse_loss(model(x), x)


model = Residual(nn.Dense(3, 3), scale=0.5)
assert_type(model, Residual)
assert_type(model.inner.weight, LiteTensor)
assert_type(model(x), LiteTensor)
assert_type(nn.Dense(3, 4, bias=False, init=nn.init.xavier_normal)(x), LiteTensor)
assert_type(nn.Conv2d(1, 8, 5, padding="same")(x), LiteTensor)
assert_type(nn.MaxPool2d(2), nn.MaxPool2d)
assert_type(nn.MLP([3, 4, 5], activation=nexnet.relu), nn.MLP)
assert_type(nn.Sequential(nn.Dense(3, 4), nexnet.relu), nn.Sequential)
assert_type(nexnet.grad(loss)(model, x), Residual)

optimizer = nn.Adam(lr=1e-3)
state = optimizer.init(model)
value, grads = nexnet.value_and_grad(loss)(model, x)
model, state = optimizer.update(model, grads, state)
assert_type(model, Residual)
assert_type(state, nn.AdamState)
assert_type(model.replace(scale=2.0), Residual)

warm = nn.schedules.WarmupLR(10, nn.schedules.CosineAnnealingLR(0.1, T_max=100))
sgd = nn.SGD(warm, momentum=LiteTensor(0.9), groups={"*.bias": {"lr": 0.1}})
assert_type(sgd.update_(model, grads, sgd.init(model)), tuple[Residual, nn.SGDState])
assert_type(nn.clip_by_norm_(grads, 1.0), tuple[Residual, LiteTensor])
assert_type(nn.EMA(0.9).update(model, model), Residual)
assert_type(nn.load(model, "path"), Residual)
assert_type(nn.from_torch({}, into=model, rename={"a.*": None}), Residual)

assert_type(nn.freeze(model, "inner.*"), Residual)
assert_type(model.eval(), Residual)
assert_type(model.at["inner.weight"].set(x), Residual)
head, rest = nn.partition(model, "inner.*")
assert_type(nn.combine(head, rest), Residual)
assert_type(nn.parallel.average(model), Residual)
assert_type(nn.CrossEntropyLoss(reduction="sum"), nn.CrossEntropyLoss)

nn.Dense(3, out=4)  # E: call-arg, reportCallIssue
nn.Dense("3", 4)  # E: arg-type, reportArgumentType
nn.Dense(3, 4, False, nn.init.zeros)  # E: call-arg, reportCallIssue
nn.Conv2d(1, 8)  # E: call-arg, reportCallIssue
nn.MaxPool2d()  # E: call-arg, reportCallIssue
Residual(scale=1.0)  # E: call-arg, reportCallIssue
model.outer  # E: attr-defined, reportAttributeAccessIssue
model(3)  # E: arg-type, reportArgumentType
nn.Adam(learning_rate=1e-3)  # E: call-arg, reportCallIssue
sgd.lr = 0.1  # E: misc, reportAttributeAccessIssue
nn.Muon(adjust_lr_fn="other")  # E: arg-type, reportArgumentType
nexnet.grad(loss)(x, x)  # E: arg-type, reportArgumentType
nn.ReLU(3)  # E: call-arg, reportCallIssue
nn.Lin  # E: attr-defined, reportAttributeAccessIssue
