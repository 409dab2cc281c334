"""Rules and what makes operators of them: ``Policy``, ``function``, ``custom_grad``, and ``implements`` for torch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor, conj_physical

from . import _complaints
from ._forward_mode import with_jvp
from .engine import (
    SAVES,
    Context,
    KernelCall,
    KernelOperator,
    Node,
    TensorBase,
    is_wrapped,
    multiplied,
    register_rules,
    uncollected,
)
from .errors import RuleError, message

if TYPE_CHECKING:
    from .tensor import LiteTensor

__all__ = [
    "RULES",
    "Analytic",
    "Context",
    "Linear",
    "Operator",
    "Policy",
    "Reflected",
    "calls",
    "custom_grad",
    "function",
    "implements",
]

_Target = TypeVar("_Target", bound=Callable[..., Any])

#: What nexnet calls for a torch function that meets a LiteTensor: ``{torch.exp: nexnet.exp, ...}``.
RULES: dict[Callable[..., Any], Callable[..., Any]] = {}
register_rules(RULES)


class _PolicyType(type(Node)):  # type: ignore[misc]
    """Gives every Policy empty slots: what a call keeps belongs in ``ctx.save``, where any order can reach it.

    A rule that defines ``jvp`` gets a backward that knows of it; all others are left as they are.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        namespace.setdefault("__slots__", ())
        for each in namespace:
            if hasattr(Node, each) and not each.startswith("__"):
                raise RuleError(
                    message(
                        f"a rule can't define {each}: that is what nexnet keeps a call in.",
                        rule=name,
                        remedy="give it another name",
                    )
                )
        if namespace.get("__module__", "").startswith("nexnet.ops.") and Policy in bases:
            namespace.setdefault("complex_rule", "none")  # ours are torch's functions: right, or an error
        if Node not in bases and "backward" in namespace:
            namespace.setdefault("jvp", Policy.jvp)  # a base's jvp may not be that of another backward
        made: Any = super().__new__(cls, name, bases, namespace)
        if Node not in bases and made.jvp is not Policy.jvp and {"backward", "jvp"} & {*namespace}:
            made.backward = with_jvp(made.backward)
        uncollected(made)
        return made

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            raise _complaints.called_as_it_is(cls.__name__)
        return super().__call__()

    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Say that torch's way to call a function of its autograd is not how a rule is called."""
        raise _complaints.called_as_it_is(cls.__name__)


class Policy(Node, metaclass=_PolicyType):
    """A gradient rule: subclass it, write ``forward`` and ``backward``, and make an operator of it with ``function``.

    ``forward(self, *args, **kwargs)`` gets torch tensors for LiteTensors, any other argument as it is, and returns a
    tensor or a tuple of tensors. ``backward(self, *grads)`` gets one gradient per output and returns one per
    positional argument of forward: ``None`` for none, trailing ones may be left out. Each gradient has its
    argument's shape, dtype and device; what broadcasting and dtype promotion added is undone by the caller.

    ``jvp(self, *tangents)`` may be written for forward mode, which is otherwise derived from backward: it gets one
    tangent per positional argument of forward, ``None`` for one that has none, and returns one per output, with what
    forward saved in ``ctx.release``. It is used by ``nexnet.jvp``, ``linearize`` and Jacobians in forward mode, and is
    differentiated itself. A subclass with another backward does not inherit it.

    An argument may be a module or another pytree with LiteTensors in it: forward gets it with torch tensors at its
    leaves, and backward returns a tree of gradients like it, a dict of them by path, or None. ``needs_input_grad`` is
    True for it if the gradient of any of its tensors is asked for.

    ``self.ctx`` belongs to the one call: ``ctx.save(*values)`` in forward, ``ctx.release`` in backward and jvp, and
    ``ctx.needs_input_grad``, one bool per positional argument, in all of them. The last two are properties, without
    parentheses: ``(x,) = self.ctx.release`` takes apart the tuple of what was saved, also if that was one value.

    Any order: a derivative of higher order runs ``backward`` on LiteTensors, and what was saved comes back as the
    LiteTensors that it is: inputs and outputs as themselves (an output keeps *this* rule as its gradient),
    intermediates as functions of the inputs, for which forward runs on LiteTensors too.

    ``materialize_grads``: whether backward gets zeros for an output that was not used (``None`` if False).

    ``complex_rule``: what backward is where an argument or an output is complex. The gradient by a complex tensor is
    PyTorch's, dL/d(re) + i dL/d(im). "own": backward gets and gives such gradients, as it stands. "analytic": backward
    is the formula of real numbers, of a function that is analytic in each argument (a product, exp; not abs, not
    conj); nexnet conjugates what comes in and what goes out. "reflected": such a formula, with real constants alone;
    nexnet conjugates the tensors and numbers that were saved, which takes less time. "none": complex tensors are an
    error.

    ``elementwise``: a promise that the output has the shape to which the arguments broadcast and the dtype to which
    they promote, and that each gradient has the output's. Where all operands are alike the engine looks at neither.

    ``gradients_fit``: a promise that each gradient has the shape, dtype and device of its argument, and need not be
    looked at.

    ``takes_trees``: whether arguments may be modules and other pytrees with tensors in them.

    ``scalars_as_tensors``: whether forward may get a Python number as a tensor of shape () and of the other operand's
    dtype, which torch is faster with.

    Raises:
        RuleError: the rule is called as it is; it keeps something on ``self``; its ``forward`` gives something else
            than torch tensors that it has computed.
        GradientError: ``backward`` or ``jvp`` gave more gradients than there are arguments, or one of another kind,
            shape, dtype or device.
        HigherOrderError: a derivative of higher order needs what was saved as a function of the inputs, and forward
            leaves nexnet on its way there.

    Example::

        @nexnet.function
        class square(nexnet.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return x * x

            def backward(self, grad):
                (x,) = self.ctx.release  # a property: no parentheses
                return 2 * x * grad

        assert nexnet.grad(square)(3.0) == 6.0
    """

    materialize_grads = True
    complex_rule = "own"
    elementwise = False
    gradients_fit = False
    scalars_as_tensors = False
    takes_trees = True

    if TYPE_CHECKING:  # a rule takes what it takes, and its results are what it says
        # mypy takes a decorated class for the class that it was: let a call of it be an operator's call
        def __new__(cls, *args: Any, **kwargs: Any) -> LiteTensor: ...  # type: ignore[misc]  # noqa: D102

        forward: Callable[..., Any]
        backward: Callable[..., Any]
        jvp: Callable[..., Any]

    else:

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            """Compute the outputs from torch tensors."""
            raise NotImplementedError

        def backward(self, *grads: Any) -> Any:
            """Give the gradient for each positional argument of forward from the gradient of each output."""
            raise NotImplementedError

        def jvp(self, *tangents: Any) -> Any:
            """Give the tangent of each output from that of each positional argument of forward."""
            raise NotImplementedError

    @classmethod
    def for_complex(cls, complex_output: bool) -> type[Policy]:
        """Give the rule that is recorded where an argument or, if so it is said, an output is complex."""
        if cls.complex_rule == "own":
            return cls
        if cls.complex_rule == "analytic" and complex_output:
            return _conjugated(cls)
        if cls.complex_rule == "reflected" and complex_output:
            return _reflected(cls)
        raise _complaints.not_for_complex(cls.__name__, "a complex tensor")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(Node, name):  # the engine's own: it sets them itself
            return super().__setattr__(name, value)
        raise RuleError(
            message(
                f"a rule was asked to keep self.{name}: the higher orders could not see it.",
                rule=type(self).__name__,
                remedy=f"keep it with self.ctx.save({name}, ...) and take it from self.ctx.release",
            )
        )


def _of_torch(name: str) -> property:
    def get(self: Policy) -> Any:
        raise _complaints.of_torchs_ctx(type(self).__name__, name)

    return property(get)


for _name in _complaints.OF_TORCHS_CTX:
    setattr(Policy, _name, _of_torch(_name))


class Analytic(Policy):
    """A rule whose ``backward`` is written for real numbers, and whose function is analytic: see ``complex_rule``."""

    complex_rule = "analytic"


class Reflected(Policy):
    """An analytic rule whose ``backward`` has real constants, and conjugates with what it takes from ``release``."""

    complex_rule = "reflected"


class Linear(Policy):
    """A rule that moves, adds or drops elements: its ``backward`` is the same for real and for complex numbers."""

    complex_rule = "own"


def _conjugated(policy: type[Policy]) -> type[Policy]:
    """Give an analytic rule's form for complex tensors.

    By the formula of real numbers backward multiplies the gradient by f'(z), and the gradient is g conj(f'(z)):
    conj(backward(conj(g))), with the same saved values.
    """
    made: type[Policy] | None = policy.__dict__.get("_conjugated")
    if made is None:

        def backward(self: Policy, *grads: Any) -> Any:
            result = policy.backward(self, *map(_conj, grads))
            return tuple(map(_conj, result)) if isinstance(result, (tuple, list)) else _conj(result)

        methods = {"backward": backward, "jvp": policy.jvp}  # a tangent is pushed by the formula of real numbers
        made = _PolicyType(policy.__name__, (policy,), {"__module__": policy.__module__, **methods})
        policy._conjugated = made  # type: ignore[attr-defined]
    return made


def _reflected(policy: type[Policy]) -> type[Policy]:
    """Give a reflected rule's form for complex tensors: backward, with what was saved conjugated.

    Where f'(z) is a formula with real constants, conj(f'(z)) is f'(conj z): one copy, of what was saved, and none of
    the gradient.
    """
    if policy.jvp is not Policy.jvp:  # a tangent is pushed by what was saved, as it is
        return _conjugated(policy)
    made: type[Policy] | None = policy.__dict__.get("_reflected")
    if made is None:
        made = _PolicyType(policy.__name__, (policy,), {"__module__": policy.__module__})
        made.release = property(_conjugates)  # type: ignore[assignment, method-assign]
        policy._reflected = made  # type: ignore[attr-defined]
    return made


def _conjugates(node: Policy) -> tuple[Any, ...]:
    return tuple([_conjugate(each) for each in node.saved])


def _conjugate(value: Any) -> Any:
    if type(value) is Tensor and not is_wrapped(value):
        return conj_physical(value)  # at once: a kernel that meets a pending conjugation takes longer
    if isinstance(value, (Tensor, TensorBase)):
        return value.conj()  # type: ignore[union-attr]
    return value.conjugate() if isinstance(value, complex) else value


def _conj(grad: Any) -> Any:
    return None if grad is None else multiplied(grad).conj()


def calls(
    compute: Callable[..., Any],
    *parameters: str,
    saves: str = "",
    **keywords: Any,
) -> Any:
    """Make a rule's ``forward`` of one call of a function of torch, made without the time that a Python method takes.

    Args:
        compute: the function, of torch tensors.
        parameters: the names of forward's positional arguments, at most three for a call to be fast; with a default,
            as in ``"inplace=False"``, for one that may be left out.
        saves: what ``ctx.release`` then gives: nothing, "inputs", the "output", or, of two operands, the "others":
            each where the other one's gradient is asked for, else None.
        keywords: forward's keyword arguments with their defaults. Their values are saved too, after the tensors.

    Such a rule is called, and not traced, for the higher orders: what it saves are inputs and outputs. Shapes are those
    of the function.

    Raises:
        RuleError: another word for ``saves``; "others" of fewer than two operands.

    Example::

        @nexnet.function
        class exp(nexnet.Policy):
            forward = nexnet.calls(torch.exp, "input", saves="output")

            def backward(self, grad):
                (out,) = self.ctx.release
                return self.ctx.product(grad, out)
    """
    if saves not in SAVES or (saves == "others" and len(parameters) < 2):
        raise RuleError(
            message(
                "a call can't save this.",
                argument="saves",
                expected="'', 'inputs', 'output', or, of two operands, 'others'",
                got=repr(saves),
                remedy="write forward as a method, and say ctx.save(...)",
            )
        )
    return KernelCall(compute, parameters, saves, keywords)


class Operator(KernelOperator):
    """A rule as a function. ``operator.policy`` is the rule; its signature is that of the rule's ``forward``."""

    def __init__(self, policy: type[Policy]) -> None:
        if not (isinstance(policy, type) and issubclass(policy, Policy)):
            raise RuleError(
                message("an operator is made of a Policy.", expected="a subclass of nexnet.Policy", got=repr(policy))
            )
        super().__init__(policy)
        functools.update_wrapper(self, policy, updated=())

    if TYPE_CHECKING:
        policy: type[Policy]

        def __call__(self, *args: Any, **kwargs: Any) -> LiteTensor: ...  # noqa: D102

    @property
    def __signature__(self) -> inspect.Signature:
        return self.signature  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<nexnet operator {self.name}>"

    def __reduce__(self) -> str:
        return self.policy.__qualname__  # type: ignore[no-any-return]


def function(policy: type[Policy]) -> Operator:
    """Make an operator of a rule: a callable that runs ``forward`` and records ``backward``. Also a decorator.

    Its arguments and its results have the shapes that ``forward`` takes and gives. See ``Policy``.

    Raises:
        RuleError: no subclass of ``Policy``; a rule without ``forward`` or ``backward``, or whose are no methods.

    Example::

        >>> class double(nexnet.Policy):
        ...     def forward(self, x):
        ...         return 2 * x
        ...     def backward(self, grad):
        ...         return 2 * grad
        ...
        >>> double = nexnet.function(double)
        >>> nexnet.grad(double)(3.0)
        LiteTensor(2.)
    """
    if not (isinstance(policy, type) and issubclass(policy, Policy)):
        raise RuleError(
            message("function makes an operator of a Policy.", expected="a subclass of nexnet.Policy", got=repr(policy))
        )
    for method in ("forward", "backward"):
        kind = type(inspect.getattr_static(policy, method))
        if kind in (staticmethod, classmethod):
            raise _complaints.no_method(policy.__name__, method, kind.__name__)
        if getattr(policy, method) is getattr(Policy, method):
            raise RuleError(
                message(f"the rule has no {method}.", rule=policy.__name__, remedy=f"define {method}(self, ...)")
            )
    return Operator(policy)


def custom_grad(fn: Callable[..., tuple[Any, Callable[..., Any]]]) -> Operator:
    """Make an operator of a function that returns ``(out, backward)``; ``backward(*grads)`` is its gradient rule.

    It is ``function`` in one piece: ``fn`` gets torch tensors, as ``Policy.forward`` does, and ``backward`` follows
    the contract of ``Policy.backward``, with what it needs taken from the enclosing scope: see ``Policy``.

    Raises:
        RuleError: no function; when it is called: ``fn`` has returned something else than such a pair.

    Example::

        @nexnet.custom_grad
        def clipped_exp(x):
            y = torch.exp(x)
            return y, lambda grad: grad * y.clamp(max=10)
    """
    if not callable(fn):
        raise RuleError(
            message(
                "custom_grad makes an operator of a function.",
                got=type(fn).__name__,
                remedy="give the function itself, which returns (out, backward)",
            )
        )

    class FromFunction(Policy):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            made = fn(*args, **kwargs)
            if not (isinstance(made, tuple) and len(made) == 2 and callable(made[1])):
                raise RuleError(
                    message(
                        "a custom_grad function must return (out, backward).",
                        rule=fn.__name__,
                        got=repr(made) if not isinstance(made, Tensor) else "a tensor",
                    )
                )
            self.ctx.save(made[1])
            return made[0]

        def backward(self, *grads: Any) -> Any:
            (pullback,) = self.ctx.release
            return pullback(*grads)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(fn)
    FromFunction.forward.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(FromFunction, attribute, getattr(fn, attribute))
    return function(FromFunction)


def implements(*torch_functions: Callable[..., Any]) -> Callable[[_Target], _Target]:
    """Decorate what nexnet is to call when one of these torch functions meets a LiteTensor.

    An operator that implements a torch function is a leaf: its ``forward`` may call that very function, and is not
    itself recorded when higher orders are taken. It therefore saves inputs and outputs only.

    Arguments are passed on as they come; that shapes are those of the torch function is not checked.

    Example::

        >>> @nexnet.implements(torch.special.chebyshev_polynomial_t)
        ... @nexnet.custom_grad
        ... def chebyshev_polynomial_t(x, n):
        ...     out = torch.special.chebyshev_polynomial_t(x, n)
        ...     return out, lambda grad: (grad * n * torch.special.chebyshev_polynomial_u(x, n - 1), None)
        ...
        >>> nexnet.grad(lambda x: torch.special.chebyshev_polynomial_t(x, 2))(0.5)
        LiteTensor(2.)
    """

    def register(target: _Target) -> _Target:
        for each in torch_functions:
            RULES[each] = target
            method = getattr(Tensor, getattr(each, "__name__", ""), None)
            if method is not None:
                RULES.setdefault(method, target)
        if isinstance(target, Operator):
            target.leaf = True
        return target

    return register
