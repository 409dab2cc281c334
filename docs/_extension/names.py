"""Which public names there are, which of them are one thing, and on which page of the reference each stands."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nexnet
import nexnet_nn
import nexnet_verify
from nexnet.ops import listing

__all__ = ["MODULES", "Page", "look_up", "pages", "public_names", "spellings"]

#: The modules whose ``__all__`` is public: a thing's first name in them is the one that it is called by.
MODULES: tuple[types.ModuleType, ...] = (
    nexnet, nexnet.autograd, nexnet.autograd.session, nexnet.functions, nexnet.linalg, nexnet.fft, nexnet.special,
    nexnet.random, nexnet.tree, nexnet.inside, nexnet.kernels, nexnet.errors, nexnet.modules, nexnet.transforms,
    nexnet.ops, nexnet_nn, nexnet_nn.losses, nexnet_nn.optim, nexnet_nn.schedules, nexnet_nn.init, nexnet_nn.meta,
    nexnet_nn.parallel, nexnet_verify,
)  # fmt: skip

# What is written by hand: the pages of the core. The operators' are their modules, those of nexnet_nn its modules.
_CORE: dict[str, tuple[str, str, str]] = {
    "gradients": ("Gradients", "A function's value and gradient, by whatever it is given.",
                  "value_and_grad grad build_computation_graph ComputationGraph autograd.session.value_and_grad"),
    "products": ("Products and matrices of derivatives", "With a vector, or whole.",
                 "vjp jvp linearize hvp gnvp jacobian jacrev jacfwd hessian value_and_jacobian"),
    "functions": ("Functions of functions", "Batches, time for memory, what is left out, what is replayed.",
                  "vmap checkpoint CheckpointCost MemoryBudget no_tape stop_gradient replay"),
    "implicit": ("Derivatives of a solver's result", "By the implicit function theorem.",
                 "custom_root custom_fixed_point"),
    "rules": ("Rules", "A gradient of one's own.",
              "Policy function calls custom_grad implements Operator RULES straight_through surrogate clip_gradient "
              "scale_gradient reverse_gradient"),
    "tensors": ("Tensors", "What is differentiated, and how it is made.",
                "LiteTensor LowRank " + " ".join(nexnet.creation.__all__) + " fft.fftfreq fft.rfftfreq"),
    "random": ("Random numbers", "Drawn by torch's generators.",
               " ".join(f"random.{name}" for name in nexnet.random.__all__)),
    "tree": ("Trees", "Nested containers of tensors.", " ".join(f"tree.{name}" for name in nexnet.tree.__all__)),
    "models": ("Models of PyTorch", "As they are, with rules replaced, and the way back.",
               " ".join(f"modules.{name}" for name in nexnet.modules.__all__)),
    "inside": ("Looking inside", "What each operation computed, cost and passed back.",
               "trace " + " ".join(f"inside.{name}" for name in nexnet.inside.__all__)),
    "tape": ("The tape", "What a transform records, and goes back through.", "Tape Node TapeContext"),
    "kernels": ("Kernels", "Which kernel computes what.",
                " ".join(f"kernels.{name}" for name in nexnet.kernels.__all__)),
    "errors": ("Errors and warnings", "What each means.", " ".join(f"errors.{name}" for name in nexnet.errors.__all__)),
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A page of the reference: its place, title, a sentence, and what it explains, each thing by its first name."""

    path: str
    title: str
    summary: str
    names: tuple[str, ...]


def look_up(name: str) -> Any:
    """Give what a full name is the name of."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[cut:], found)
    raise ModuleNotFoundError(name)


def public_names() -> Iterator[str]:
    """Give every public name that is no module, in full; what is in ``nexnet`` by its name there."""
    for module in MODULES:
        home = nexnet if module in (nexnet.ops, nexnet.transforms) else module
        for name in module.__all__:
            if not isinstance(getattr(module, name), types.ModuleType):
                yield f"{home.__name__}.{name}"


@functools.cache
def spellings() -> Mapping[str, tuple[str, ...]]:
    """Give each thing's first name, and all its names."""
    by_identity: dict[int, dict[str, None]] = {}
    for name in public_names():
        by_identity.setdefault(id(look_up(name)), {})[name] = None
    return {next(iter(names)): tuple(names) for names in by_identity.values()}


def pages() -> list[Page]:
    """Give the pages on which every public name stands, once."""
    first = {name: names[0] for names in spellings().values() for name in names}
    found = []
    for path, (title, summary, names) in _CORE.items():
        full = dict.fromkeys(first[f"nexnet.{name}"] for name in names.split())
        found.append(Page(f"core/{path}", title, summary, tuple(full)))
    found += _operators(first, {name for page in found for name in page.names})
    found += _layers({name for page in found for name in page.names})
    verify = dict.fromkeys(first[f"nexnet_verify.{name}"] for name in nexnet_verify.__all__)
    found.append(Page("verify/verify", "nexnet_verify", _summary(nexnet_verify), tuple(verify)))
    return found


def _operators(first: Mapping[str, str], elsewhere: set[str]) -> Iterator[Page]:
    by_module: dict[tuple[str, str], dict[str, None]] = {}
    for each in listing():
        names = by_module.setdefault((each.wing, each.kind), {})
        names.update(dict.fromkeys(first[f"nexnet.{name}"] for name in (each.name, *each.aliases)))
    for (wing, kind), names in sorted(by_module.items()):
        home = f"nexnet.ops.{kind}" if wing == kind else f"nexnet.ops.{wing}.{kind}"
        title = kind.replace("_", " ").capitalize()
        yield Page(
            f"operators/{wing}/{kind}",
            title,
            _summary(importlib.import_module(home)),
            tuple(sorted(names.keys() - elsewhere)),
        )


def _layers(elsewhere: set[str]) -> Iterator[Page]:
    by_module: dict[str, list[str]] = {}
    for name in spellings():
        if name.startswith("nexnet_nn.") and name not in elsewhere:
            home = getattr(look_up(name), "__module__", "")
            home = ".".join(home.split(".")[:2]) if home.startswith("nexnet_nn.") else name.rpartition(".")[0]
            by_module.setdefault(home, []).append(name)
    for home, names in by_module.items():
        title = home.rpartition(".")[2].replace("_", " ").capitalize()
        yield Page(f"nn/{home.rpartition('.')[2]}", title, _summary(importlib.import_module(home)), tuple(names))


def _summary(module: types.ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
