"""The names of torch.nn that nexnet_nn does not have: what to write instead of each."""

from __future__ import annotations

from nexnet.errors import message

from .errors import MissingNameError

__all__ = ["missing"]

_TORCHS_OWN = "nexnet.functional_call(torch.nn.{name}(...), params, args) runs torch's own"
_SIZES = "nn.{name} with its sizes given: nothing is filled in later"

_INSTEAD = {
    "AdaptiveLogSoftmaxWithLoss": _TORCHS_OWN,
    "Buffer": "nn.buffer(value), which a module's field is set to",
    "Container": "a field of a Module, which may be a tuple or a dict of layers",
    "CrossMapLRN2d": "nn.LocalResponseNorm(size, alpha, beta, k)",
    "DataParallel": "nn.parallel.average(grads) in each process, under torchrun",
    "FractionalMaxPool2d": "nexnet.fractional_max_pool2d(x, ...)",
    "FractionalMaxPool3d": "nexnet.fractional_max_pool3d(x, ...)",
    "LinearCrossEntropyLoss": "nn.linear_cross_entropy(x, weight, target)",
    "LinearCrossEntropyOptions": "torch.nn.LinearCrossEntropyOptions, for nn.linear_cross_entropy(..., options=...)",
    "ModuleDict": "a dict of layers as a field: self.layers = {...}",
    "ModuleList": "a tuple or list of layers as a field: self.layers = [...]",
    "NLLLoss2d": "nn.NLLLoss()",
    "Parameter": "nexnet.LiteTensor(value): a module's tensors are learned, but those in nn.buffer(value)",
    "ParameterDict": "a dict of LiteTensors as a field",
    "ParameterList": "a tuple or list of LiteTensors as a field",
    "RNNBase": "nn.LSTM, nn.GRU or nn.RNN",
    "RNNCellBase": "nn.LSTMCell, nn.GRUCell or nn.RNNCell",
    "SyncBatchNorm": "nn.BatchNorm(channels), and nn.parallel.average(buffers)",
    "UninitializedBuffer": "nn.buffer(value): nothing is filled in later",
    "UninitializedParameter": "nexnet.LiteTensor(value): nothing is filled in later",
    "UpsamplingBilinear2d": 'nn.Upsample(size, scale_factor, mode="bilinear", align_corners=True)',
    "UpsamplingNearest2d": "nn.Upsample(size, scale_factor)",
    "functional": "the functions of nexnet: nexnet.relu, nexnet.conv2d, nn.cross_entropy, ...",
    "utils": "nn.clip_by_norm, nn.clip_by_value, nexnet.tree.ravel; torch.nn.utils.rnn serves as it is",
}


def missing(name: str) -> AttributeError:
    """Make the error for a name that nexnet_nn does not have: with what to write, where torch.nn has it."""
    instead = _INSTEAD.get(name)
    if name.startswith("Lazy"):
        name, instead = name.removeprefix("Lazy"), _SIZES
    if instead is None:
        return AttributeError(f"module 'nexnet_nn' has no attribute {name!r}")
    return MissingNameError(
        message(f"nexnet_nn has no {name}, which torch.nn has.", argument=name, remedy=instead.replace("{name}", name))
    )
