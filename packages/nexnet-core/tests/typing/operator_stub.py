"""``nexnet/ops/__init__.pyi``: what type checkers know of the operators, from their signatures.

Names, defaults and the annotations that say more than ``Any`` are the operators' own; what remains is a tensor, unless
a table below says otherwise. The functions without a gradient are torch's, and so are their signatures.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import torch
from torch_forms import LITE, STAR, Form, Parameter, listed, torchs_forms

import nexnet
from nexnet import ops

RELEASE = ".".join(torch.__version__.split(".")[:2])  # another may tell other things of its functions

HEADER = f'''\
"""The operators, as type checkers see them. Written by tests/typing/stubs.py (torch {RELEASE}): do not edit.

An operator is written as a function, as it is called: where checkers follow the imports in a circle they would not
know the type of anything else in time.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, overload

import torch

from ..tensor import LiteTensor
from ..typing import Device, Dims, Number, Sizes, TensorLike
from ._listing import Listed as Listed
from ._listing import listing as listing
'''

MANY, TWO = "tuple[LiteTensor, ...]", "tuple[LiteTensor, LiteTensor]"
THREE = "tuple[LiteTensor, LiteTensor, LiteTensor]"

#: What an operator gives that is neither one tensor, nor one of torch's named tuples, nor said by its own annotation.
RESULTS = {
    **dict.fromkeys(
        [
            "chunk", "dsplit", "hsplit", "split", "split_copy", "split_with_sizes", "split_with_sizes_copy", "unbind",
            "unbind_copy", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "vsplit",
        ],
        MANY,
    ),
    **dict.fromkeys(
        [f"{kind}_max_pool{n}d_with_indices" for kind, n in (("adaptive", 1), ("adaptive", 2), ("adaptive", 3))]
        + ["fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices"]
        + [f"max_pool{n}d_with_indices" for n in (1, 2, 3)],
        TWO,
    ),
    "pca_lowrank": THREE,
    "svd_lowrank": THREE,
    "multi_head_attention_forward": "tuple[LiteTensor, LiteTensor | None]",
    "lu": MANY,
}  # fmt: skip

#: Operators whose result depends on what they are given: the parameters and the result of each form.
FORMS = {
    **{
        name: [
            ("input: TensorLike, dim: None = None", LITE),
            ("input: TensorLike, dim: int, keepdim: bool = False", f"_{name}"),
        ]
        for name in ("max", "min", "median", "nanmedian")
    },
    **{
        f"atleast_{n}d": [
            ("tensor: TensorLike, /", LITE),
            ("first: TensorLike, second: TensorLike, /, *tensors: TensorLike", MANY),
        ]
        for n in (1, 2, 3)
    },
    "where": [
        ("condition: TensorLike", MANY),
        ("condition: TensorLike, input: TensorLike, other: TensorLike", LITE),
    ],
}
for _name in ("max", "min"):
    FORMS[_name].append(("input: TensorLike, other: LiteTensor | torch.Tensor", LITE))

#: What torch's own annotations do not tell, of the functions that are torch's.
UNTOLD = {
    "isin": [
        ("elements: TensorLike, test_elements: TensorLike, *, assume_unique: bool = False, invert: bool = False", LITE)
    ],
    "linalg_matrix_rank": [
        (
            "A: TensorLike, tol: TensorLike | None = None, hermitian: bool = False, *, "
            "atol: TensorLike | None = None, rtol: TensorLike | None = None",
            LITE,
        ),
    ],
    "unique": [
        ("input: TensorLike, sorted: bool = True, *, dim: int | None = None", LITE),
        (
            "input: TensorLike, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, "
            "dim: int | None = None",
            "Any",
        ),
    ],
    "unique_consecutive": [
        ("input: TensorLike, *, dim: int | None = None", LITE),
        (
            "input: TensorLike, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None",
            "Any",
        ),
    ],
}

#: What a parameter takes that is annotated with Any and is no tensor, by its name.
TYPES = {
    **dict.fromkeys(("args", "kwargs", "options", "_random_samples"), "Any"),
    **dict.fromkeys(("dims", "shape", "size", "sizes", "repeats"), "Sizes"),
    **dict.fromkeys(("bias", "running_mean", "running_var", "bias_k", "bias_v"), "TensorLike | None"),
    **dict.fromkeys(("in_proj_weight", "in_proj_bias", "out_proj_bias"), "TensorLike | None"),
    **dict.fromkeys(("ord", "p"), "float | str"),
    **dict.fromkeys(("input_lengths", "target_lengths"), "TensorLike | Sequence[int]"),
    **dict.fromkeys(("scale_factor", "output_ratio"), "float | Sequence[float]"),
    "alpha": "Number",
    "dim": "Dims",
    "getitem.index": "Any",
    "indices_or_sections": "int | Sequence[int]",
    "index_put.indices": "Sequence[TensorLike | None]",
    "inplace": "bool",
    "out": "None",
    "output_size": "int | Sequence[int | None]",
    "reduction": "str",
    "repeat_interleave.repeats": "TensorLike",
    "spacing": "TensorLike | Sequence[TensorLike]",
    "tensordot.dims": "int | Sequence[Sequence[int]]",
}

#: Torch's names for types, and names that the operators' modules have for them.
ALIASES = {
    "Sequence[Any]": "Sequence[TensorLike]",
    "Generator | None": "torch.Generator | None",
    "Callable[[Any, Any], Any] | None": "Callable[[LiteTensor, LiteTensor], LiteTensor] | None",
    **dict.fromkeys(("int | tuple[int, ...]", "int | list[int]", "int | Sequence[int]"), "Sizes"),
    "int | tuple[int, ...] | None": "Dims",
    "tuple[int, ...]": "Sequence[int]",
    "tuple[Any, ...]": MANY,
    "tuple[Any, Any]": TWO,
    "tuple[Any, Any, Any]": THREE,
}


def stub() -> str:
    """Give the text of the file."""
    names: dict[int, list[str]] = {}
    for name in vars(ops)["__all__"]:
        names.setdefault(id(getattr(ops, name)), []).append(name)
    made: dict[str, str] = {}
    tuples: set[str] = set()
    for same in names.values():
        operator = getattr(ops, same[0])
        own = operator.__name__ if operator.__name__ in same else same[0]
        forms = forms_of(own, operator)
        tuples |= {each.result for each in forms if each.result.startswith("_")}
        for name in same:
            made[name] = written(name, forms)
    public = [name for name in sorted(made) if getattr(nexnet, name) is getattr(ops, name)]  # nexnet.trace is another
    functions = "".join(made[name] for name in sorted(made))
    return "\n".join([HEADER, f"__all__ = {json.dumps(public)}\n", *map(named_tuple, sorted(tuples)), functions])


def written(name: str, forms: list[Form]) -> str:
    """Write an operator in all its forms."""
    above = "@overload\n" if len(forms) > 1 else ""
    return "".join(f"{above}def {name}({each.parameters}) -> {each.result}: ...\n" for each in forms)


def named_tuple(name: str) -> str:
    """Write one of torch's named tuples as one of LiteTensors."""
    fields = getattr(torch.return_types, name.removeprefix("_")).__match_args__
    return f"class {name}(NamedTuple):\n" + "".join(f"    {field}: LiteTensor\n" for field in fields)


def forms_of(name: str, operator: Callable[..., Any]) -> list[Form]:
    """Give the ways to call an operator."""
    if name in FORMS:
        return [Form(*each) for each in FORMS[name]]
    signature = inspect.signature(operator)
    if "pin_memory" in signature.parameters:  # torch's own function, which tells nothing of its parameters
        return [Form(*each) for each in UNTOLD[name]] if name in UNTOLD else torchs_forms(name)
    taken = [parameter(name, each) for each in signature.parameters.values()]
    kinds = [each.kind for each in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        taken.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), STAR)
    gives = result(name, signature.return_annotation)
    if "return_indices" not in signature.parameters:
        return [Form(listed(taken), gives)]
    i = [each.name for each in taken].index("return_indices")
    before, after = taken[:i], taken[i + 1 :]
    without = Parameter("return_indices", "Literal[False]", "False")
    both = Parameter("return_indices", "Literal[True]")
    forms = [Form(listed([*before, without, *after]), gives)]
    if any(each.default for each in before):
        forms.append(Form(listed([*before, STAR, both, *after]), TWO))
    return [*forms, Form(listed([*(each._replace(default="") for each in before), both, *after]), TWO)]


def parameter(operator: str, given: inspect.Parameter) -> Parameter:
    """Write a parameter of an operator's signature."""
    type_ = "Any" if given.annotation is given.empty else str(given.annotation)
    if type_ in ALIASES:
        type_ = ALIASES[type_]
    elif type_ == "Any":
        type_ = TYPES.get(f"{operator}.{given.name}", TYPES.get(given.name, "TensorLike"))
        if given.default is None and "None" not in type_ and type_ not in ("Any", "Dims"):
            type_ += " | None"
    stars = "*" if given.kind is given.VAR_POSITIONAL else "**" if given.kind is given.VAR_KEYWORD else ""
    return Parameter(stars + given.name, type_, "" if given.default is given.empty else quoted(given.default))


def quoted(default: Any) -> str:
    """Write a default."""
    return f'"{default}"' if isinstance(default, str) else repr(default)


def result(name: str, annotation: Any) -> str:
    """Say what an operator gives."""
    if name in RESULTS:
        return RESULTS[name]
    if hasattr(torch.return_types, name):
        return f"_{name}"
    return ALIASES[annotation] if annotation not in (inspect.Signature.empty, "Any") else LITE
