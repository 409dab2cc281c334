"""Case: everything that a check of one operator needs, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nexnet

from ._draw import LAYOUTS, REAL, Domain, Draw

__all__ = ["Case", "Sample", "binary", "unary"]


class Sample:
    """The arguments of one call: LiteTensors, in containers or not, and anything else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def __str__(self) -> str:
        shown = [_show(arg) for arg in self.args] + [f"{name}={_show(value)}" for name, value in self.kwargs.items()]
        return f"({', '.join(shown)})"


def _show(value: Any) -> str:
    if isinstance(value, nexnet.LiteTensor):
        return f"{tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_show, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    written = repr(value)
    return written if "\n" not in written and len(written) < 40 else type(value).__name__


@dataclass(frozen=True, kw_only=True)
class Case:
    """How one operator is checked.

    Attributes:
        name: the operator's name in nexnet (or what the table calls it, if ``call`` is given).
        inputs: draws the arguments of one call.
        jax: the counterpart, which takes the same arguments with JAX arrays for tensors. None needs ``without_jax``.
        call: what is called; None: the function of that name in ``nexnet.ops``.
        wing: the part of ``nexnet.ops`` that its operator is in; filled in by ``nexnet_verify.cases``, as is the kind.
        kind: the module in it.
        layouts: which of LAYOUTS make sense for it.
        order: the highest order.
        rtol: the error allowed against JAX, and its ``reason`` if it is not check_gradients' own.
        float32_rtol: the error allowed in float32, and its ``reason``.
        without_jax: why there is no counterpart.
        torch: the counterpart in PyTorch. None: the torch function that the operator implements, or of its name.
        without_torch: why there is none to compare with.
        torch_rtol: the error allowed against PyTorch, and its ``reason``.
        without_vmap: why torch can't batch it, where torch's own message does not say so.
        mapped: whether vmap must give what a loop does; if not, the ``reason``.
        strided: whether other strides must give the same; if not, the ``reason``.
        covers: further public names that this case verifies.
    """

    name: str
    inputs: Callable[[Draw], Sample]
    jax: Callable[..., Any] | None = None
    call: Callable[..., Any] | None = None
    wing: str = ""
    kind: str = ""
    layouts: tuple[str, ...] = LAYOUTS
    order: int = 2
    rtol: float | None = None
    float32_rtol: float | None = None
    reason: str = ""
    without_jax: str = ""
    torch: Callable[..., Any] | None = None
    without_torch: str = ""
    torch_rtol: float | None = None
    without_vmap: str = ""
    mapped: bool = True
    strided: bool = True
    covers: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.jax is None) is not bool(self.without_jax):
            raise ValueError(f"case {self.name}: give either a JAX counterpart or the reason why there is none")
        if self.torch is not None and self.without_torch:
            raise ValueError(f"case {self.name}: give either a PyTorch counterpart or the reason why there is none")
        tolerances = (self.rtol, self.float32_rtol, self.torch_rtol)
        own = any(each is not None for each in tolerances) or not self.strided or self.order < 2
        if own and not self.reason:
            raise ValueError(f"case {self.name}: what is looser than usual needs its reason")

    @property
    def operator(self) -> Callable[..., Any]:
        """What is checked."""
        if self.call is not None:
            return self.call
        return getattr(nexnet.ops, self.name)  # type: ignore[no-any-return]

    @property
    def draws(self) -> bool:
        """Whether its values are random: they are others in another dtype."""
        return self.kind in ("dropout", "low_rank") or self.name.partition(".")[0] in ("rrelu", "gumbel_softmax")


def unary(name: str, jax: Callable[..., Any] | None, domain: Domain = REAL, **options: Any) -> Case:
    """Make the case of an elementwise function of one tensor."""
    return Case(name=name, inputs=lambda d: Sample(d.tensor(domain=domain)), jax=jax, **options)


def binary(
    name: str, jax: Callable[..., Any] | None, left: Domain = REAL, right: Domain | None = None, **options: Any
) -> Case:
    """Make the case of an elementwise function of two tensors that broadcast."""
    return Case(name=name, inputs=lambda d: Sample(*d.tensors(left, right or left)), jax=jax, **options)
