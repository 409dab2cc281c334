"""What is timed on the GPU, and what its ratios to PyTorch eager are to be on one H100."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn

from .. import peers
from ..suites import lenet, maml, mlp_step, operator_chain
from . import transformers
from .steps import jax_array, recorded, training
from .timing import Call, Timed, time_case

BATCHES = (64, 1024, 8192)


def mlp(batch: int, rounds: int, compiled: bool) -> Timed:
    """Time the step of the MLP 784-256-64-10, in float32."""
    with torch.device("meta"):
        structure = nexnet.tree.structure(nn.MLP(mlp_step.SIZES, activation=nexnet.relu))
    return training(
        f"MLP step, batch {batch}",
        mlp_step.module,
        lambda model, x, y: functional.cross_entropy(model(x), y),
        lambda params: nexnet.tree.unflatten(structure, params),
        lambda model, x, y: nn.cross_entropy(model(x), y),
        mlp_step.jax_loss,
        partial(mlp_step.data, batch),
        rtol=1e-3,
        aims={"nexnet": 0.7, "nexnet replayed": 0.15} if batch == 64 else {},
        compiled=compiled and batch == 64,
        rounds=rounds,
    )


def lenet_step(rounds: int) -> Timed:
    """Time the step of LeNet-5, in float32 without TF32."""

    def data() -> Any:
        generator = torch.Generator().manual_seed(0)
        shape = (lenet.BATCH, 1, 28, 28)
        return torch.randn(shape, generator=generator), torch.randint(10, (lenet.BATCH,), generator=generator)

    return training(
        f"LeNet step, batch {lenet.BATCH}",
        lenet.module,
        lambda model, x, y: functional.cross_entropy(model(x), y),
        list,
        lenet.nexnet_loss,
        lenet.jax_loss,
        data,
        rtol=1e-3,
        aims={},
        rounds=rounds,
    )


def transformer(name: str, size: transformers.Size, rounds: int, compiled: bool) -> Timed:
    """Time the step of a transformer, in bfloat16."""
    return training(
        f"{name}, {size.batch} x {size.tokens} tokens, d {size.features}",
        partial(transformers.module, size),
        transformers.torch_loss,
        partial(transformers.model, size),
        transformers.nexnet_loss,
        None if size.vocabulary else partial(transformers.jax_loss, size),
        partial(transformers.data, size),
        rtol=0.03,
        aims={"nexnet": 0.95},
        dtype=torch.bfloat16,
        compiled=compiled,
        rounds=rounds,
    )


def block(rounds: int, compiled: bool) -> Timed:
    """Time the step of one block."""
    return transformer("transformer block", transformers.BLOCK, rounds, compiled)


def gpt2(rounds: int, quick: bool) -> Timed:
    """Time the step of GPT-2 small; ``quick`` takes two of its layers."""
    size = replace(transformers.GPT2_SMALL, layers=2, batch=2) if quick else transformers.GPT2_SMALL
    return transformer("GPT-2 small" if not quick else "GPT-2 of 2 layers", size, rounds, compiled=False)


def chain(shape: tuple[int, ...], rounds: int) -> Timed:
    """Time the chain of tiny operators and its gradients."""
    x, w = (each.to("cuda") for each in operator_chain.data(shape))
    both = nexnet.value_and_grad(operator_chain.chain, argnums=(0, 1))
    contenders: dict[str, Callable[[], Call]] = {
        "PyTorch": lambda: operator_chain.in_torch(x, w),
        "nexnet": lambda: partial(both, *_lite([x, w])),
        "nexnet replayed": lambda: partial(nexnet.replay(both), *_lite([x, w])),
        "PyTorch, its graph": lambda: recorded(operator_chain.in_torch(x, w), []),
    }
    if peers.have("jax"):
        contenders["JAX jit"] = lambda: _jax_chain(x, w)
    aims = {"nexnet": 0.6, "nexnet replayed": 0.05}
    return time_case(f"chain of {operator_chain.LENGTH}, {shape}", contenders, 1e-4, aims=aims, rounds=rounds)


def _jax_chain(x: Any, w: Any) -> Call:
    import jax

    return partial(jax.jit(jax.value_and_grad(operator_chain.chain, argnums=(0, 1))), jax_array(x), jax_array(w))


def meta_learning(tasks: int, rounds: int) -> Timed:
    """Time the gradient through a step of gradient descent in each of some tasks, by a loop and by vmap."""
    generator = torch.Generator().manual_seed(0)
    on_host, drawn_on_host = maml.parameters(generator), maml.sinusoids(tasks, generator)
    start = [each.to("cuda") for each in on_host]
    drawn = [tuple(part.to("cuda") for part in task) for task in drawn_on_host]

    def in_nexnet(mapped: bool, replayed: bool) -> Call:
        gradient = maml.meta_gradient(drawn, 1, mapped)
        return partial(nexnet.replay(gradient) if replayed else gradient, _lite(start))

    contenders: dict[str, Callable[[], Call]] = {
        "PyTorch": lambda: maml.in_torch(start, drawn, 1),
        "nexnet": lambda: in_nexnet(mapped=False, replayed=False),
        "nexnet replayed": lambda: in_nexnet(mapped=False, replayed=True),
        "nexnet vmap": lambda: in_nexnet(mapped=True, replayed=False),
        "nexnet vmap replayed": lambda: in_nexnet(mapped=True, replayed=True),
        "torch.func vmap": lambda: maml.in_torch_func(start, drawn, 1, mapped=True),
        "PyTorch, its graph": lambda: recorded(maml.in_torch(start, drawn, 1), []),
    }
    if peers.have("jax"):
        contenders["JAX jit vmap"] = lambda: maml.in_jax(on_host, drawn_on_host, 1, mapped=True)
    return time_case(f"MAML, {tasks} tasks, 1 inner step", contenders, 1e-3, rounds=rounds)


def _lite(tensors: list[Any]) -> list[Any]:
    return [nexnet.LiteTensor(each.clone()) for each in tensors]
