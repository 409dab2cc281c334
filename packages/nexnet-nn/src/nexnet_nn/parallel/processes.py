"""The processes of a run: who they are, how they begin, how they end, what random numbers each draws."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ..errors import ParallelError

__all__ = ["broadcast", "generator", "main", "rank", "size"]

Tree = TypeVar("Tree")
Result = TypeVar("Result")

_FAILED = "nexnet/failed/{}"
_stores: list[Any] = []  # of the run, while it lasts: where a process that fails says why


def rank() -> int:
    """Give the number of this process, from 0; 0 where there is one.

    Example::

        >>> nn.parallel.rank()
        0
    """
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """Give how many processes there are.

    Example::

        >>> nn.parallel.size()
        1
    """
    return dist.get_world_size() if dist.is_initialized() else 1


def main(fn: Callable[..., Result] | None = None, *, backend: str | None = None, timeout: float = 600.0) -> Any:
    """Decorate a program's main function: under ``torchrun`` its processes find one another before it runs.

    Without ``torchrun`` it runs as it is. A process that fails ends the run: the others' collectives raise an error
    that names its rank and its error (of one that was killed, torchrun says which), and torchrun starts all of them
    again if ``--max-restarts`` says so: what was saved is then where to go on. ::

        @nn.parallel.main
        def train():
            ...


        if __name__ == "__main__":
            train()

    Args:
        fn: the main function.
        backend: "nccl" or "gloo"; by default nccl where there is CUDA, whose current device is then the process's own.
        timeout: how many seconds a collective waits for a process that is alive and late.

    Raises:
        ParallelError: in a collective of the others, once a process has failed.
    """
    if fn is None:
        return functools.partial(main, backend=backend, timeout=timeout)

    def run(*args: Any, **kwargs: Any) -> Result:
        _begin(backend, timeout)
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            _say(error)
            raise
        _stores.clear()
        dist.destroy_process_group()
        return result

    @functools.wraps(fn)
    def start(*args: Any, **kwargs: Any) -> Any:
        if "RANK" not in os.environ or dist.is_initialized():
            return fn(*args, **kwargs)
        from torch.distributed.elastic.multiprocessing.errors import record  # takes its time to load

        return record(run)(*args, **kwargs)  # torchrun shows why it has failed

    return start


def _begin(backend: str | None, timeout: float) -> None:
    kind = backend or ("nccl" if torch.cuda.is_available() else "gloo")
    if kind == "nccl":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store, number, count = next(rendezvous("env://", timeout=timedelta(seconds=timeout)))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # a new one knows nothing of the last one's failures
    _stores[:] = [dist.PrefixStore(f"nexnet/{attempt}", store)]  # type: ignore[attr-defined]
    options = {"store": _stores[0], "rank": number, "world_size": count}
    dist.init_process_group(kind, timeout=timedelta(seconds=timeout), **options)


def _say(error: BaseException) -> None:
    """Let the others know why this process fails, unless it is because of another one."""
    if _stores and not isinstance(error, ParallelError):
        _stores[0].set(_FAILED.format(rank()), f"{type(error).__name__}: {error}")


def failed(error: RuntimeError) -> ParallelError:
    """Make the error for a collective that could not be finished: who failed, and why, as far as that is known."""
    others = [each for each in range(size()) if each != rank()]
    known = [each for each in others if _stores and _stores[0].check([_FAILED.format(each)])]
    why = [f"rank {each} failed: {_stores[0].get(_FAILED.format(each)).decode()}" for each in known]
    again = "with torchrun --max-restarts the run goes on from what was saved last"
    alone = "every process calls average, broadcast, save and the like, none does alone, as under `if rank() == 0:`"
    return ParallelError(
        message(
            "a process has left the run: " + ("; ".join(why) or "it has ended or is late, and has not said why"),
            rule=f"rank {rank()} of {size()}",
            got=str(error).splitlines()[0],
            remedy=again if why else f"{alone}; if one was killed, {again}",
        )
    )


def generator(seed: int, device: Any = "cpu") -> torch.Generator:
    """Make a generator of this process's own: no two ranks, and no two seeds, draw the same numbers.

    For dropout and augmentation. A model is drawn from one seed everywhere, or sent by ``broadcast``.

    Raises:
        RuntimeError: torch's: a seed that is no integer, or a device that there isn't.

    Example::

        generator = nn.parallel.generator(seed=0)
        x = nn.Dropout(0.5)(x, generator)
    """
    mixed = torch.Generator().manual_seed(seed)
    own = torch.randint(2**62, (rank() + 1,), generator=mixed)[-1]
    return torch.Generator(device).manual_seed(int(own))


def broadcast(tree: Tree, source: int = 0) -> Tree:
    """Give every process the tensors that one of them has; a pytree of LiteTensors, as constants.

    Args:
        tree: the same structure, shapes and dtypes in all processes.
        source: the rank of the one.

    Raises:
        ParallelError: a process has left the run.

    Example::

        model = nn.parallel.broadcast(model)
    """
    if size() == 1:
        return tree

    leaves, structure = nexnet.tree.flatten(tree)
    found: list[Any] = [None] * len(leaves)
    try:
        for kind in dict.fromkeys((each.dtype, each.device) for each in leaves):  # a collective for each
            chosen = [i for i, each in enumerate(leaves) if (each.dtype, each.device) == kind]
            flat = torch.cat([leaves[i].data.reshape(-1) for i in chosen])
            dist.broadcast(flat, source)
            parts = flat.split([leaves[i].numel() for i in chosen])
            for i, part in zip(chosen, parts, strict=True):
                found[i] = LiteTensor(part.view(leaves[i].shape))
    except RuntimeError as error:
        raise failed(error) from error
    return nexnet.tree.unflatten(structure, found)  # type: ignore[no-any-return]
