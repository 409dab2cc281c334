"""What the rules of this package share: which tensors a kernel takes, its launch, its tuning, and second orders."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime import Autotuner

from ..engine import TensorBase, is_wrapped, unwrap, wrap
from ..errors import InputError, message
from ..policy import Policy, function, implements
from ..transforms import vjp

__all__ = [
    "INTERPRETED",
    "autotuned",
    "dot",
    "gradient_rule",
    "is_batch",
    "is_new_enough",
    "launch",
    "lite",
    "precision_of",
    "takes",
    "working_type",
]

#: Whether the kernels run in Triton's interpreter, in numpy, and not on a GPU: TRITON_INTERPRET=1 in the environment.
INTERPRETED = bool(triton.knobs.runtime.interpret)

_WIDENS = tl.constexpr(INTERPRETED)
OLDEST = (8, 0)  # Ampere: the first with bfloat16 and TF32
_WORKING = {torch.float16: tl.float32, torch.bfloat16: tl.float32, torch.float32: tl.float32, torch.float64: tl.float64}


def takes(rule: str, *tensors: Any, float64: bool = True) -> bool:
    """Say whether a kernel takes the tensors (None is passed over); if not, they are for nexnet's own rule.

    It does not take a batch of vmap, nor float64 where ``float64`` is False: of products, on a GPU.

    Raises:
        InputError: a tensor that is nowhere that Triton's kernels run, or of a dtype that they do not compute with.
    """
    given = [each for each in tensors if each is not None]
    for each in given:
        if each.dtype not in _WORKING:
            raise InputError(
                message(
                    "nexnet.triton computes with floating point numbers.",
                    rule=rule,
                    expected="float16, bfloat16, float32 or float64",
                    got=each.dtype,
                )
            )
    if is_batch(*given) or (not float64 and given[0].dtype is torch.float64):
        return False
    for each in given:
        if each.is_cuda:
            _check_card(rule, each.get_device())
        elif not INTERPRETED:
            raise InputError(
                message(
                    "nexnet.triton runs on NVIDIA's GPUs, and this tensor is elsewhere.",
                    rule=rule,
                    got=f"a tensor on {each.device}",
                    remedy="x.cuda(); on the CPU TRITON_INTERPRET=1 in the environment, before Triton is imported, "
                    "runs the kernels in its slow interpreter",
                )
            )
    return True


@functools.cache
def is_new_enough(index: int) -> bool:
    """Say whether the card with this number is an OLDEST or later."""
    return torch.cuda.get_device_capability(index) >= OLDEST


def _check_card(rule: str, index: int) -> None:
    if not INTERPRETED and not is_new_enough(index):
        capability = torch.cuda.get_device_capability(index)
        raise InputError(
            message(
                "this card is too old for nexnet.triton.",
                rule=rule,
                expected=f"compute capability {OLDEST[0]}.{OLDEST[1]} (Ampere) or later",
                got=f"{torch.cuda.get_device_name(index)}, {capability[0]}.{capability[1]}",
                remedy="nexnet's own rule of that name",
            )
        )


def is_batch(*tensors: Any) -> bool:
    """Say whether one of the torch tensors is a batch of vmap, which no kernel of Triton's takes."""
    return any(isinstance(each, Tensor) and is_wrapped(each) for each in tensors)


def launch(kernel: Any, grid: Any, *args: Any, **options: Any) -> None:
    """Run a kernel on its first tensor's card, on torch's current stream there; nothing where the grid is empty."""
    if isinstance(grid, tuple) and 0 in grid:
        return
    if isinstance(kernel, Autotuner):
        if tuning:
            _compile_together(kernel, grid, args, options)
        else:
            options |= kernel.configs[-1].all_kwargs()
            kernel = kernel.fn
    first = args[0]
    if first.is_cuda and first.get_device() != torch.cuda.current_device():
        with torch.cuda.device(first.device):  # Triton launches on the current one
            kernel[grid](*args, **options)
    else:
        kernel[grid](*args, **options)


#: Whether configurations are measured. If not, or in the interpreter, the last is taken: the smallest, which fits all.
tuning = not INTERPRETED


def autotuned(configurations: Sequence[Any], key: Sequence[str]) -> Callable[[Any], Any]:
    """Let Triton measure the configurations, anew for every ``key`` (names of arguments) and every dtype.

    What does not fit the card's shared memory is left out by Triton.
    """

    def quickly(call: Callable[[], None], quantiles: Any) -> Any:
        return triton.testing.do_bench(call, warmup=5, rep=30, quantiles=quantiles)

    return triton.autotune(list(configurations), list(key), do_bench=quickly)  # type: ignore[no-any-return]


def _compile_together(kernel: Any, grid: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Compile the configurations of what will be tuned side by side; Triton itself would do one after the other."""
    given = {**dict(zip(kernel.arg_names, args, strict=False)), **options}
    key = (kernel, *[given[name] for name in kernel.keys], *[each.dtype for each in args if isinstance(each, Tensor)])
    if key in _compiled:
        return
    _compiled.add(key)
    with ThreadPoolExecutor() as pool, triton.AsyncCompileMode(pool):
        for each in kernel.configs:
            kernel.fn.run(*args, grid=grid, warmup=True, **options, **each.all_kwargs())


_compiled: set[tuple[Any, ...]] = set()


def precision_of(allow_tf32: bool | None) -> str:
    """Give Triton's name for how float32 matrices are multiplied; None is torch's own setting."""
    return "tf32" if (torch.backends.cuda.matmul.allow_tf32 if allow_tf32 is None else allow_tf32) else "ieee"


@triton.jit
def dot(a, b, total, PRECISION: tl.constexpr):
    """Add the product of two tiles to a third; interpreted, in wider numbers: bits of bfloat16 would be taken."""
    if _WIDENS:
        a, b = a.to(total.dtype), b.to(total.dtype)
    return tl.dot(a, b, total, input_precision=PRECISION, out_dtype=total.dtype)


def working_type(tensor: Tensor) -> Any:
    """Give the type that a kernel computes in: float32, for float64 itself."""
    return _WORKING[tensor.dtype]


def lite(value: Any) -> Any:
    """Let what follows be nexnet's, whichever of the arguments is a LiteTensor."""
    return wrap(value) if isinstance(value, Tensor) else value


def gradient_rule(name: str, count: int, kernel: Callable[..., Any], formula: Callable[..., Any]) -> Callable[..., Any]:
    """Make of a gradient's kernel a function for use in ``backward``, which differentiates as the formula does.

    Both compute the same of the same arguments. The first ``count`` of these are what it is a function of (the incoming
    gradient, and what forward got); the others it could compute of them (an output, a statistic), or they are static.

    On torch tensors the kernel runs, and nothing is recorded. On LiteTensors, where an outer tape is active, it runs as
    an operator, whose own gradient is that of the formula: no third kernel need be written. A batch of vmap, which
    torch can't hand to a kernel of Triton's, goes to the formula.
    """

    def compute(*args: Any) -> Any:
        return formula(*args) if is_batch(*args) else kernel(*args)

    class rule(Policy):
        materialize_grads = False

        def forward(self, *args: Any) -> Any:
            self.ctx.save(*args)
            return compute(*args)

        def backward(self, *cotangents: Any) -> Any:
            args = self.ctx.release
            places = [i for i in range(count) if self.ctx.needs_input_grad[i]]

            def reached(*inputs: Any) -> Any:
                given = [*map(lite, args[:count]), *args[count:]]
                for i, each in zip(places, inputs, strict=True):
                    given[i] = each
                outs = formula(*given)
                outs = outs if isinstance(outs, tuple) else (outs,)
                return [out for out, h in zip(outs, cotangents, strict=True) if h is not None]

            _, pullback = vjp(reached, *[args[i] for i in places])
            found = pullback([h for h in cotangents if h is not None])
            grads: list[Any] = [None] * len(args)
            recorded = any(isinstance(each, TensorBase) for each in cotangents)
            for i, each in zip(places, found, strict=True):
                grads[i] = each if recorded else unwrap(each)
            return tuple(grads)

    rule.__name__ = rule.__qualname__ = f"_{name}_backward"
    rule.__doc__ = f"The gradient of nexnet.triton.{name}, by its kernel; its own gradient is that of the formula."
    operator = implements()(function(rule))

    def gradient(*args: Any) -> Any:
        return (operator if isinstance(args[0], TensorBase) else compute)(*args)

    return gradient
