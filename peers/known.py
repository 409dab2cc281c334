"""Where nexnet is not what PyTorch's database expects, and why: each finding has its line here, each line a finding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["HIPS", "KNOWN", "Finding", "Known", "known"]

Kind = Literal["differs", "refused", "fails"]


@dataclass(frozen=True)
class Finding:
    """What one sample brought up in one mode.

    Attributes:
        name: the operator's.
        sample: its label.
        mode: in which.
        kind: "differs" (another number than torch's), "refused" (an error of nexnet's), "fails" (any other error).
        text: how they differ, or the error.
    """

    name: str
    sample: str
    mode: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.sample}, {self.mode} {self.kind}: {self.text}"


@dataclass(frozen=True)
class Known:
    """Findings that are explained.

    Attributes:
        kind: theirs.
        names: of the operators.
        reason: why it is so.
        text: a regular expression that the finding's text contains.
        modes: in which; in any, if none is named.
        torch_is_wrong: whether finite differences are to side with nexnet, and not with torch.
    """

    kind: Kind
    names: str
    reason: str
    text: str = ""
    modes: str = ""
    torch_is_wrong: bool = False

    def explains(self, finding: Finding) -> bool:
        """Whether this is the line of a finding."""
        return (
            finding.kind == self.kind
            and finding.name in self.names.split()
            and (not self.modes or finding.mode in self.modes.split())
            and re.search(self.text, finding.text) is not None
        )


def known(finding: Finding) -> Known | None:
    """Find a finding's line."""
    return next((each for each in KNOWN if each.explains(finding)), None)


# Names that only torch's own decompositions and graphs use; torch's public functions for the same have rules.
INTERNAL = (
    "_batch_norm_with_update _native_batch_norm_legit _segment_reduce.lengths _segment_reduce.offsets "
    "_softmax_backward_data _unsafe_masked_index _unsafe_masked_index_put_accumulate _upsample_bilinear2d_aa "
    "native_batch_norm native_dropout_backward slice"
)
# Whose first argument torch's documentation calls as nexnet does, and its parser otherwise.
RENAMED = "linalg.lstsq triangular_solve"
NUMPY_FUNCTIONS = (
    "NumpyCubeAutogradFunction NumpyMulAutogradFunction NumpySortAutogradFunction NumpyTakeAutogradFunction"
)
WRITING_FUNCTIONS = "SelectAutogradFunction SelectGenVmapAutogradFunction ForwardHasDefaultArgsAutogradFunction"

KNOWN: tuple[Known, ...] = (
    # Other numbers
    Known(
        "differs",
        "as_strided_scatter cholesky_solve",
        "torch's gradient is wrong: where memory is written twice, or by a factor of which one triangle is read",
        torch_is_wrong=True,
    ),
    Known(
        "differs",
        "nn.functional.linear_cross_entropy.chunked",
        "torch computes its gradient in forward, and says of the second derivative that it is 0",
        modes="second",
        text="not 0.0",
    ),
    Known(
        "differs",
        "nn.CTCLoss",
        "torch's gradient is that by what the log-probabilities are the log_softmax of",
        torch_is_wrong=True,
    ),
    Known("differs", "nn.functional.hardsigmoid", "torch's kernel has 1/6 in float32", torch_is_wrong=True),
    Known(
        "differs",
        "as_strided as_strided.partial_views as_strided_copy",
        "it reads memory, and an example's memory is a part of its batch's",
        modes="vmap",
    ),
    Known(
        "differs",
        "nn.functional.rrelu",
        "torch's kernel, which no vmap can take, draws a slope where x < 0 alone; a batch draws one for each element",
        modes="vmap",
    ),
    Known("differs", "cov", "the database gives weights of float32, and torch sums them in another order"),
    Known(
        "differs",
        "linalg.norm linalg.norm.subgradients_at_zero",
        "at 0 the first derivative is a convention: the second is NaN here where it is asked for, in torch elsewhere",
        modes="second",
        text=r"nan",
    ),
    Known(
        "differs",
        "masked.logaddexp",
        "where both are masked out, -inf, the second derivative is 0 here, and NaN in torch",
        modes="second",
        text=r"not \(?nan",
    ),
    # Refused
    Known("refused", INTERNAL, "an internal name", text="no gradient rule"),
    Known("refused", "sparse.mm.reduce sparse.sampled_addmm", "sparse tensors are no goal", text="no gradient rule"),
    Known("refused", "to_sparse", "sparse tensors are no goal", text="no rule"),
    Known("fails", "sparse.mm.reduce sparse.sampled_addmm", "sparse tensors are no goal", modes="vmap"),
    Known("refused", "zero_", "nothing is written into a tensor", text="functional"),
    Known("refused", "normal normal.number_mean", "a draw has no gradient, and says so", text="being differentiated"),
    Known(
        "refused",
        "log_softmax.with_dtype nn.functional.softmin.with_dtype softmax.with_dtype nn.functional.normalize renorm",
        "of real tensors only",
        text="complex",
    ),
    Known("refused", "chalf", "torch has hardly a kernel for complex32", text="complex"),
    Known("fails", "chalf", "torch has hardly a kernel for complex32", text="ComplexHalf"),
    Known("refused", "nn.functional.batch_norm", "an input without channels is not taken", text="no channels"),
    # functorch's Functions
    Known(
        "differs",
        "CubeGenVmapAutogradFunction",
        "its backward is not linear, by a mistake, and not what its own jvp transposes to",
        modes="jvp",
    ),
    Known("refused", NUMPY_FUNCTIONS, "numpy has no examples, and torch asks the Function's own vmap", modes="vmap"),
    Known("refused", "NumpyExpMarkDirtyAutogradFunction", "nothing is written into an argument"),
    Known("refused", "NumpyCubeNotComposableAutogradFunction", "it says itself that it is differentiated once"),
    Known("refused", WRITING_FUNCTIONS, "its backward writes into a tensor", modes="second", text="can't be changed"),
    # Other errors
    Known("fails", RENAMED, "torch's documentation names it as nexnet does", "argument", "keywords"),
)

EIGH = "a matrix moves here in all of its elements, and eigh looks at one triangle: the gradient is a symmetric one"
NUMPYS = "numpy itself is given a tensor that is being differentiated, which is an error"
MIXED = "torch multiplies no matrices of two dtypes"

#: Files of autograd's tests that are about its own inside, and tests that do not hold of nexnet: why.
HIPS: dict[str, str] = {
    "test_core": "of autograd's core without numpy",
    "test_direct": "of autograd's rules, called by hand",
    "test_logic": "of autograd's core",
    "test_misc": "of autograd.misc",
    "test_performance": "nothing",
    "test_scipy": "of scipy",
    "test_tests": "of autograd's checker",
    "test_ufunc_dispatch": "of autograd's boxes",
    "test_vspaces": "of autograd's vector spaces",
    "test_wrappers": "of autograd's decorators",
    "test_builtins.test_isinstance": "of autograd's boxes",
    "test_fft.test_rfftn_odd_not_implemented": "it is here",
    "test_linalg.test_eigvalh_lower": EIGH,
    "test_linalg.test_eigvalh_lower_broadcasting": EIGH,
    "test_linalg.test_eigvalh_lower_complex": EIGH,
    "test_linalg.test_eigvalh_upper": EIGH,
    "test_linalg.test_eigvalh_upper_broadcasting": EIGH,
    "test_linalg.test_eigvalh_upper_complex": EIGH,
    "test_numpy.test_astype": NUMPYS,
    "test_numpy.test_c_": NUMPYS,
    "test_numpy.test_c_mixed": NUMPYS,
    "test_numpy.test_cast_to_int": NUMPYS,
    "test_numpy.test_index_slice": "torch has no negative steps",
    "test_numpy.test_index_slice_fanout": "torch has no negative steps",
    "test_numpy.test_plain_numpy_reductions_on_box": NUMPYS,
    "test_numpy.test_r_basic": NUMPYS,
    "test_numpy.test_r_double": NUMPYS,
    "test_numpy.test_r_mixed": NUMPYS,
    "test_numpy.test_r_node_and_const": NUMPYS,
    "test_numpy.test_r_slicing": NUMPYS,
    "test_numpy.test_scalar_array_box_attributes": "a tensor has no size of numpy's",
    "test_systematic.test_dot": MIXED,
    "test_systematic.test_einsum_matmult": MIXED,
    "test_systematic.test_imag": "torch has no imaginary part of a real tensor",
    "test_systematic.test_matmul": MIXED,
    "test_systematic.test_max": "torch orders no complex numbers",
    "test_systematic.test_min": "torch orders no complex numbers",
    "test_systematic.test_std": "of one number, by one degree of freedom less, it is NaN",
    "test_systematic.test_tensordot_1": MIXED,
    "test_systematic.test_var": "of one number, by one degree of freedom less, it is NaN",
}
