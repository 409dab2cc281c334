"""A trace as plain records, and in a file: JSON, and its tensors beside it as safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import InputError, message
from .operation import Input, Operation
from .source import Source

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["Written", "load", "record_of", "save"]

_VERSION = 1


def record_of(operation: Operation) -> dict[str, Any]:
    """Give an operation as numbers and strings; statistics have names as ``value_max`` and ``gradient_norm``."""
    source = operation.source
    record: dict[str, Any] = {
        "number": operation.number,
        "label": operation.label,
        "rule": operation.rule,
        "replaces": operation.replaces,
        "inputs": ", ".join(each.name for each in operation.inputs),
        "static": ", ".join(f"{name}={value!r}" for name, value in operation.static.items()),
        "shape": str(operation.shape),
        "dtype": _plain(operation.dtype),
        "device": operation.device,
        "module": operation.module,
        "module_type": operation.module_type,
        "file": source.file if source else "",
        "line": source.line if source else 0,
        "code": source.code if source else "",
        "is_view": operation.is_view,
        "kept": operation.kept,
        "flops": operation.flops,
        "flops_backward": operation.flops_backward,
        "seconds": operation.seconds,
        "seconds_backward": operation.seconds_backward,
    }
    for name, found in (("value", operation.statistics), ("gradient", operation.gradient_statistics)):
        record |= {f"{name}_{key}": each for key, each in found.as_dict().items()} if found else {}
    return record


def save(trace: Trace, path: Path) -> None:
    """Write a trace."""
    tensors: dict[str, Tensor] = {}

    def place(name: str, values: list[Tensor | None]) -> list[str | None]:
        places = [None if each is None else f"{name}.{i}" for i, each in enumerate(values)]
        for key, each in zip(places, values, strict=True):
            if key is not None and each is not None:
                tensors[key] = each.detach().cpu().clone(memory_format=torch.contiguous_format)
        return places

    def described(operation: Operation) -> dict[str, Any]:
        source = operation.source
        return {
            "number": operation.number,
            "label": operation.label,
            "rule": operation.rule,
            "replaces": operation.replaces,
            "inputs": [
                [each.argument, each.name, each.kind, list(each.shape), _plain(each.dtype), each.origin]
                for each in operation.inputs
            ],
            "static": {name: _json(value) for name, value in operation.static.items()},
            "outputs": operation.outputs,
            "shapes": [list(each) for each in operation.shapes],
            "dtypes": [_plain(each) for each in operation.dtypes],
            "device": operation.device,
            "source": [source.file, source.line, source.function, source.code] if source else None,
            "module": operation.module,
            "module_type": operation.module_type,
            "is_view": operation.is_view,
            "kept": operation.kept,
            "flops": operation.flops,
            "flops_backward": operation.flops_backward,
            "seconds": operation.seconds,
            "seconds_backward": operation.seconds_backward,
            "values": place(f"value {operation.label}", operation.values),
            "gradients": place(f"gradient {operation.label}", operation.gradients),
            "returned": place(f"returned {operation.label}", operation.returned),
            "body": [described(each) for each in operation.body],
            "forward": operation.forward,
            "users": operation.users,
        }

    text = {
        "nexnet trace": _VERSION,
        "outputs": list(trace.outputs),
        "leaves": [described(each) for each in trace.leaves],
        "operations": [described(each) for each in trace.operations],
        "ends": [described(each) for each in trace.ends],
    }
    if tensors:
        _safetensors().save_file(tensors, path.with_suffix(".safetensors"))
    path.write_text(json.dumps(text), encoding="utf-8")


def load(path: Path) -> Trace:
    """Read a trace."""
    from .trace import Trace

    text = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(text, dict) or text.get("nexnet trace") != _VERSION:
        raise InputError(
            message(
                "this is no trace that was saved.",
                argument="path",
                got=str(path),
                expected=f"a JSON file that Trace.save has written, of version {_VERSION}",
            )
        )
    beside = path.with_suffix(".safetensors")
    tensors: dict[str, Tensor] = _safetensors().load_file(beside) if beside.exists() else {}

    def read(saved: dict[str, Any]) -> Operation:
        fields = dict(saved)
        fields["inputs"] = [
            Input(argument, name, kind, tuple(shape), _dtype(dtype), origin)
            for argument, name, kind, shape, dtype, origin in saved["inputs"]
        ]
        fields["shapes"] = [tuple(each) for each in saved["shapes"]]
        fields["dtypes"] = [_dtype(each) for each in saved["dtypes"]]
        fields["source"] = Source(*saved["source"]) if saved["source"] else None
        for name in ("values", "gradients", "returned"):
            fields[name] = [None if each is None else tensors[each] for each in saved[name]]
        fields["static"] = {name: _of_json(value) for name, value in saved["static"].items()}
        fields["body"] = [read(each) for each in saved["body"]]
        return Operation(**fields)

    trace = Trace()
    trace.operations = [read(each) for each in text["operations"]]
    trace.leaves = [read(each) for each in text["leaves"]]
    trace.ends = [read(each) for each in text["ends"]]
    trace.outputs = text["outputs"]
    return trace


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch as found
    except ImportError:
        raise InputError(
            message(
                "tensors of a trace are saved with safetensors, which is not installed.",
                remedy="pip install 'nexnet-core[inside]', or trace with values=False",
            )
        ) from None
    return found


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    found: torch.dtype = getattr(torch, name)
    return found


class Written(str):
    """A static argument that JSON has no form for, of a trace that was loaded: as it was written.

    Attributes:
        kind: the name of its type.
    """

    kind: str

    def __new__(cls, text: str, kind: str) -> Written:
        """Keep the text, and whose it is."""
        made = super().__new__(cls, text)
        made.kind = kind
        return made

    def __repr__(self) -> str:
        return str(self)


def _json(value: Any) -> Any:
    """Give a static argument as JSON has it; what it has no form for, as a dict that says what it is."""
    if isinstance(value, list):
        return [_json(each) for each in value]
    if type(value) is tuple:
        return {"tuple": [_json(each) for each in value]}
    if isinstance(value, Written):
        return {"written": str(value), "kind": value.kind}
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return {"written": repr(value), "kind": type(value).__name__}


def _of_json(saved: Any) -> Any:
    if isinstance(saved, list):
        return [_of_json(each) for each in saved]
    if isinstance(saved, dict):
        return tuple(map(_of_json, saved["tuple"])) if "tuple" in saved else Written(saved["written"], saved["kind"])
    return saved
