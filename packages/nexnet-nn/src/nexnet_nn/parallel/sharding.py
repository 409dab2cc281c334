"""What does not fit into one process, divided among all: an optimiser's state (ZeRO-1), parameters (FSDP)."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
import torch.distributed as dist

import nexnet
from nexnet import LiteTensor, Policy, function
from nexnet.errors import message

from .._succession import succeed
from ..errors import ParallelError
from ..module import Module
from ..optim import LBFGS
from .averaging import average
from .processes import broadcast, failed, rank, size

__all__ = ["Sharded", "ShardedParameters", "shard"]

Model = TypeVar("Model")


class Sharded:
    """An optimiser of which each process has the state of some of the parameters (Rajbhandari et al., "ZeRO", 2020).

    Each parameter belongs to one process, which steps it and sends it to the others: an optimiser's state, and the
    arithmetic of its step, are divided by the number of processes. ``update`` and ``update_`` are the optimiser's,
    of gradients that are not averaged yet: they are averaged here. ::

        adam = nn.parallel.Sharded(nn.Adam(1e-3))
        state = adam.init(model)
        value, grads = nexnet.value_and_grad(loss)(model, x, y)
        model, state = adam.update(model, grads, state)

    Args:
        optimizer: any optimiser of nexnet_nn whose step of a parameter depends on that one's gradient alone.

    Raises:
        ParallelError: no optimiser, or one that looks at all gradients, as ``LBFGS`` does; in a step: a process has
            left the run; a gradient that has no mean.
        OptimizerError: in a step: gradients or a state of other shapes, as the optimiser says it.
    """

    def __init__(self, optimizer: Any) -> None:
        steps = all(callable(getattr(optimizer, name, None)) for name in ("init", "update", "update_"))
        if isinstance(optimizer, (LBFGS, type)) or not steps:
            raise ParallelError(
                message(
                    "what is sharded is an optimiser that steps each parameter by its own gradient.",
                    rule="Sharded",
                    argument="optimizer",
                    got=repr(optimizer) if isinstance(optimizer, LBFGS) else type(optimizer).__name__,
                    remedy="nn.parallel.Sharded(nn.Adam(1e-3))",
                )
            )
        self.optimizer = optimizer

    def init(self, model: Any) -> Any:
        """Make the state of this process's parameters."""
        return self.optimizer.init(_own(model))

    def update(self, model: Model, grads: Model, state: Any) -> tuple[Model, Any]:
        """Give the model and the state after a step with the mean of the gradients."""
        own, state = self.optimizer.update(_own(model), _own(average(grads)), state)
        return _exchange(model, own), state

    def update_(self, model: Model, grads: Model, state: Any) -> tuple[Model, Any]:
        """Make the step in the storage of the model's tensors and of the state."""
        own, state = self.optimizer.update_(_own(model), _own(average(grads)), state)
        new = nexnet.tree.leaves(_exchange(model, own))
        for old, each in zip(nexnet.tree.leaves(model), new, strict=True):
            if old.data is not each.data:
                old.data.copy_(each.data)
        return succeed(model), state

    def __repr__(self) -> str:
        return f"Sharded({self.optimizer!r})"


def _owners(leaves: list[Any]) -> list[int]:
    """Say to whom each parameter belongs: the largest first, each to whoever has least."""
    loads = [0] * size()
    owners = [0] * len(leaves)
    for i in sorted(range(len(leaves)), key=lambda i: -math.prod(leaves[i].shape)):
        owners[i] = loads.index(min(loads))
        loads[owners[i]] += math.prod(leaves[i].shape)
    return owners


def _own(tree: Any) -> Any:
    """Give this process's part of a tree: None stands for what is others'."""
    leaves, structure = nexnet.tree.flatten(tree)
    mine = [each if owner == rank() else None for each, owner in zip(leaves, _owners(leaves), strict=True)]
    return nexnet.tree.unflatten(structure, mine)


def _exchange(model: Any, own: Any) -> Any:
    """Give the whole model of the parts that its owners have stepped."""
    leaves, structure = nexnet.tree.flatten(model)
    stepped = iter(nexnet.tree.leaves(own))
    owners = _owners(leaves)
    new = [next(stepped) if owner == rank() else each for each, owner in zip(leaves, owners, strict=True)]
    for source in range(size()):
        theirs = [i for i, owner in enumerate(owners) if owner == source]
        for i, each in zip(theirs, broadcast([new[i] for i in theirs], source), strict=True):
            new[i] = new[i] if source == rank() else each
    return nexnet.tree.unflatten(structure, new)


class ShardedParameters(Module):
    """A module of which each process has a part of every parameter: called, it is gathered from all.

    Its gradient is this process's part of the mean of the gradients; an optimiser that works elementwise steps the
    parts as any parameters. ``shard`` makes it: one of each block of a model, so that one block at a time is whole.

    Attributes:
        parts: the module, with this process's part of each parameter, of shape ``(n,)``; the last is padded.
        shapes: of the whole parameters.
        recompute: whether what was gathered is dropped after the call, and gathered again for the backward loop.
    """

    parts: Any
    shapes: tuple[tuple[int, ...], ...]
    recompute: bool = True

    def gather(self) -> Any:
        """Give the module with its whole parameters. Differentiable: by the means, scattered.

        Raises:
            ParallelError: a process has left the run.
        """
        leaves, structure = nexnet.tree.flatten(self.parts)
        whole: list[Any] = [None] * len(leaves)
        for kind in dict.fromkeys((each.dtype, each.device) for each in leaves):
            chosen = [i for i, each in enumerate(leaves) if (each.dtype, each.device) == kind]
            found = _gather(tuple(self.shapes[i] for i in chosen), *(leaves[i] for i in chosen))
            for i, each in zip(chosen, found if isinstance(found, tuple) else (found,), strict=True):
                whole[i] = each
        return nexnet.tree.unflatten(structure, whole)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the gathered module."""
        if not self.recompute:
            return self.gather()(*args, **kwargs)
        return nexnet.checkpoint(lambda sharded, *args: sharded.gather()(*args, **kwargs))(self, *args)


def shard(module: Module, recompute: bool = True) -> ShardedParameters:
    """Divide a module's parameters among the processes: each keeps a part of each, as in FSDP (Zhao et al., 2023).

    Args:
        module: the same in all processes; its parameters may have any shapes, each is cut into parts of shape ``(n,)``.
        recompute: whether what a call gathers is dropped after it, and gathered again for the backward loop: memory for
            one block at a time, for one more collective.

    Raises:
        ParallelError: a leaf that is no LiteTensor.

    Example::

        model = nn.Sequential(*(nn.parallel.shard(each) for each in model.layers))
        value, gradients = nexnet.value_and_grad(loss)(model, x, y)
    """
    leaves, structure = nexnet.tree.flatten(module)
    for i, leaf in enumerate(leaves):
        if not isinstance(leaf, LiteTensor):
            place = structure.accessors()[i].codify("module")
            raise ParallelError(message("what is sharded is LiteTensors.", argument=place, got=type(leaf).__name__))
    parts = [LiteTensor(_rows(each.data)[rank()].clone()) for each in leaves]
    shapes = tuple(tuple(each.shape) for each in leaves)
    return ShardedParameters(nexnet.tree.unflatten(structure, parts), shapes, recompute)


def _rows(whole: Any) -> Any:
    """Give a tensor's elements as one row for each process, zeros behind the last."""
    count = math.prod(whole.shape)
    each = -(-count // size())
    return torch.nn.functional.pad(whole.reshape(-1), (0, each * size() - count)).reshape(size(), each)


@function
class _gather(Policy):
    """Parts (n,) of all processes, put together to tensors of these shapes:  the mean of g, scattered.

    The inner product of parts is the sum over the processes, that of whole tensors is its mean: so this one and
    ``_scatter`` are each other's transposes, at every order.
    """

    def forward(self, shapes: tuple[tuple[int, ...], ...], *parts: Any) -> Any:
        self.ctx.save(shapes)
        flat = torch.cat(parts)
        rows = flat.new_empty(size() * len(flat))
        if size() == 1:
            rows = flat
        else:
            _collective(("all_gather_single", "all_gather_into_tensor"), rows, flat)
        columns = rows.reshape(size(), -1).split([len(each) for each in parts], 1)
        return tuple(
            each.reshape(-1)[: math.prod(shape)].reshape(shape) for each, shape in zip(columns, shapes, strict=True)
        )

    def backward(self, *grads: Any) -> Any:
        self.ctx.release  # noqa: B018  the shapes are the gradients'
        found = _scatter(*grads)
        return None, *(found if isinstance(found, tuple) else (found,))


@function
class _scatter(Policy):
    """A process's parts of the means of tensors. The transpose of ``_gather``."""

    def forward(self, *wholes: Any) -> Any:
        self.ctx.save(tuple(tuple(each.shape) for each in wholes))
        rows = [_rows(each) for each in wholes]
        flat = torch.cat(rows, 1)
        own = flat.new_empty(flat.shape[1])
        if size() == 1:
            own = flat[0]
        else:
            _collective(("reduce_scatter_single", "reduce_scatter_tensor"), own, flat.reshape(-1))
        return tuple(each.clone() for each in (own / size()).split([each.shape[1] for each in rows]))

    def backward(self, *grads: Any) -> Any:
        (shapes,) = self.ctx.release
        return _gather(shapes, *grads)


def _collective(names: tuple[str, str], out: Any, data: Any) -> None:
    """Call torch.distributed's function, by its name in new releases or in old ones."""
    new, old = names
    try:
        (getattr(dist, new, None) or getattr(dist, old))(out, data)
    except RuntimeError as error:
        raise failed(error) from error
