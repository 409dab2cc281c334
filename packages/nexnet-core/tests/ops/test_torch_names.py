"""Every listed operator under torch's names: as nexnet.<name>, as a method, as torch.<name>(lite); its arguments."""

import inspect
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nexnet
from nexnet import RULES, LiteTensor
from nexnet.engine.spelling import ALIASES
from nexnet.errors import MissingAttributeError, NoGradientRule
from nexnet.ops._listing import PLACES

RECORDS = nexnet.ops.listing()
PATHS = {path: record for record in RECORDS for path in record.torch}
FACADES = {"torch.linalg": "linalg", "torch.fft": "fft", "torch.special": "special"}

# torch's differentiable core, by OpInfo's names.
CORE = [
    line
    for line in (Path(__file__).parent / "torch_names.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]

# Arguments that are torch's own affair: where results are put, what autograd and layouts need, what is deprecated.
NEUTRAL = {
    "device", "dtype", "generator", "inplace", "layout", "memory_format", "names", "out", "out_dtype", "pin_memory",
    "reduce", "requires_grad", "size_average", "sparse_grad", "_stacklevel",
}  # fmt: skip

# Names of arguments that nexnet does not take, or other defaults, and why.
DOCUMENTED = "torch's documentation calls the argument as nexnet does, its parser otherwise"
OTHERWISE = {
    **dict.fromkeys(
        ("torch.tensor_split", "torch.hsplit", "torch.vsplit", "torch.dsplit", "torch.unsafe_split"), DOCUMENTED
    ),
    **dict.fromkeys(
        ("torch.dropout", "torch.alpha_dropout", "torch.feature_alpha_dropout"), "training, as in torch.nn.functional"
    ),
    **dict.fromkeys(("torch.std", "torch.var", "torch.std_mean", "torch.var_mean"), "unbiased=None stands for True"),
    **dict.fromkeys(
        ("torch.nn.functional.softmax", "torch.nn.functional.log_softmax", "torch.nn.functional.softmin"),
        "a softmax without dim is deprecated in torch",
    ),
    **dict.fromkeys(
        (
            "torch.binary_cross_entropy_with_logits", "torch.cosine_embedding_loss", "torch.ctc_loss",
            "torch.hinge_embedding_loss", "torch.margin_ranking_loss",
        ),
        "reductions by name, as in torch.nn.functional",
    ),
    **dict.fromkeys(("torch.trapezoid", "torch.trapz", "torch.cumulative_trapezoid"), "dx=None stands for 1"),
    **dict.fromkeys(
        ("torch.gru", "torch.lstm", "torch.rnn_relu", "torch.rnn_tanh"), "one signature for both of torch's"
    ),
    "torch.gradient": "spacing=1 stands for None",
    "torch.sort": "TorchScript's form for lists",
    **dict.fromkeys(
        (
            "torch.dsplit", "torch.hsplit", "torch.vsplit", "torch.tensor_split", "torch.unsafe_split",
            "torch.swapdims", "torch.cholesky_inverse", "torch.cholesky_solve", "torch.det", "torch.detach",
            "torch.lu_solve",
            "torch.orgqr", "torch.ormqr", "torch.slogdet", "torch.triangular_solve", "torch.nn.functional.one_hot",
        ),
        DOCUMENTED,
    ),
}  # fmt: skip


def function_at(path):
    place, _, name = path.rpartition(".")
    return getattr(PLACES[place], name)


def found_in_torch(name):
    """Give what has one of OpInfo's names: nn.functional.relu, linalg.det, view."""
    place, _, last = name.rpartition(".")
    owners = (PLACES[f"torch.{place}"],) if place else (torch, Tensor, torch.nn.functional)
    return [getattr(owner, last) for owner in owners if hasattr(owner, last)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_an_operator_is_there_under_every_name(record):
    for name in (record.name, *record.aliases):
        assert name == "trace" or getattr(nexnet, name) is getattr(nexnet.ops, name)  # nexnet.trace shows a tape
    for path in record.torch:
        place, _, name = path.rpartition(".")
        if place in FACADES:
            assert hasattr(getattr(nexnet, FACADES[place]), name), path
        elif place != "torch.Tensor":
            assert hasattr(nexnet, name), path
        if place != "torch.Tensor" and (place in FACADES or not callable(getattr(Tensor, name, None))):
            continue
        assert hasattr(LiteTensor, name), f"{path} is a method of torch's tensors"


def accepted(function, rule):
    """Say which arguments of a torch function a rule does not take, or takes with another default."""
    own = inspect.signature(rule).parameters
    if any(each.kind is each.VAR_KEYWORD for each in own.values()):
        return
    for name, default in arguments_of(function):
        mine = ALIASES.get(name) if name not in own and isinstance(rule, nexnet.Operator) else name
        if name in NEUTRAL:
            continue
        if mine not in own:
            yield f"no {name}"
        elif default is not inspect.Parameter.empty and not same(own[mine].default, default):
            yield f"{name}={own[mine].default!r}, not {default!r}"


def arguments_of(function):
    if not inspect.isbuiltin(function):
        varying = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        yield from ((n, p.default) for n, p in inspect.signature(function).parameters.items() if p.kind not in varying)
        return
    for schema in torch._C._jit_get_schemas_for_operator(f"aten::{function.__name__}"):
        types = [str(each.type) for each in schema.arguments]
        if any(each.is_out for each in schema.arguments) or "Tensor" not in types[0] or "Dimname" in str(types):
            continue
        for each in schema.arguments:
            default = each.default_value if each.has_default_value() else inspect.Parameter.empty
            yield "input" if each.name == "self" else each.name, default


def same(mine, default):
    """Compare defaults: torch's schemas write (0, 0) for 0, [] for None, and every padding as a number."""
    if isinstance(default, list):
        return mine in (None, ()) if not default else tuple(default) in (mine, (mine,) * len(default))
    return mine == default or (mine == 0 and default == "valid")


@pytest.mark.parametrize(
    "path", sorted(path for path in PATHS if PATHS[path].differentiable and ".Tensor." not in path)
)
def test_arguments_and_defaults_are_torchs(path):
    wrong = sorted(set(accepted(function_at(path), RULES[function_at(path)])))
    if path.startswith("torch.linalg."):  # documented as A and B, as nexnet has them
        wrong = [each for each in wrong if each not in ("no input", "no other", "no b")]
    assert not wrong or path in OTHERWISE, wrong


# Functions in Python that are made of a method, or of another function.
MADE = {
    "nn.functional.sigmoid",
    "nn.functional.tanh",
    "nn.functional.upsample_bilinear",
    "nn.functional.upsample_nearest",
}


@pytest.mark.parametrize("name", CORE)
def test_every_function_of_torchs_core_is_there_or_says_that_it_is_not(name):
    functions = [each for each in found_in_torch(name) if callable(each)]
    if name in MADE or any(each in RULES for each in functions) or hasattr(LiteTensor, name):
        return
    x = nexnet.ones(2, 2)
    last = name.rpartition(".")[2]
    with pytest.raises((NoGradientRule, MissingAttributeError), match=last):
        LiteTensor.__torch_function__(functions[0], (), (x,)) if functions[0] not in vars(Tensor) else getattr(x, last)


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_functions_that_are_made_of_others_need_no_rule():
    x = nexnet.rand(1, 2, 3, 3)
    for name in MADE:
        options = {"scale_factor": 2} if "upsample" in name else {}
        (function,) = found_in_torch(name)
        torch.testing.assert_close(function(x, **options).data, function(x.data, **options))


def test_the_core_is_there():
    missing = [
        name
        for name in CORE
        if name not in MADE
        and not any(callable(each) and each in RULES for each in found_in_torch(name))
        and not hasattr(LiteTensor, name)
    ]
    assert missing == []
