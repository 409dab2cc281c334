"""The methods of a LiteTensor that are operators, under torch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import ops
from .engine import register_arithmetic
from .errors import InputError
from .ops.elementwise.gamma import polygamma_method

if TYPE_CHECKING:
    from .tensor import LiteTensor
    from .typing import TensorLike


def _binary(operator: Callable[[Any, Any], LiteTensor]) -> Callable[[Any, TensorLike], LiteTensor]:
    """Make an infix method of an operator: what it can't take is left to the other operand, as Python asks."""

    def method(self: Any, other: Any) -> Any:
        try:
            return operator(self, other)
        except InputError:
            raise
        except TypeError:
            return NotImplemented

    return method


def _reflected(operator: Callable[[Any, Any], LiteTensor]) -> Callable[[Any, TensorLike], LiteTensor]:
    """Make the infix method that gets its operands in reverse."""
    return _binary(lambda self, other: operator(other, self))


register_arithmetic(ops.add, ops.sub, ops.mul, ops.div, ops.matmul, ops.neg)  # type: ignore[arg-type]


class OperatorMethods:
    """What a LiteTensor can do; a line says which operator a method is."""

    __slots__ = ()

    if TYPE_CHECKING:  # they are elsewhere, in C; or something else in Python's own classes
        __add__ = __sub__ = __mul__ = __truediv__ = __matmul__ = _binary(ops.add)
        __neg__ = ops.neg

        def __eq__(self, other: object) -> LiteTensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> LiteTensor: ...  # type: ignore[override]

    else:
        __eq__ = _binary(ops.eq)
        __ne__ = _binary(ops.ne)

    # Arithmetic: +, -, *, / and @ are the engine's, and where it is compiled so are their reflections ----------------

    __radd__ = _reflected(ops.add)
    __rsub__ = _reflected(ops.sub)
    __rmul__ = _reflected(ops.mul)
    __rtruediv__ = _reflected(ops.div)
    __rmatmul__ = _reflected(ops.matmul)
    __floordiv__ = _binary(ops.floor_divide)
    __rfloordiv__ = _reflected(ops.floor_divide)
    __mod__ = _binary(ops.remainder)
    __rmod__ = _reflected(ops.remainder)
    __pow__ = _binary(ops.pow)
    __rpow__ = _reflected(ops.pow)
    __pos__ = ops.positive
    __abs__ = ops.abs
    __lt__ = _binary(ops.lt)
    __le__ = _binary(ops.le)
    __gt__ = _binary(ops.gt)
    __ge__ = _binary(ops.ge)
    __and__ = __rand__ = _binary(ops.bitwise_and)
    __or__ = __ror__ = _binary(ops.bitwise_or)
    __xor__ = __rxor__ = _binary(ops.bitwise_xor)
    __lshift__ = _binary(ops.bitwise_left_shift)
    __rshift__ = _binary(ops.bitwise_right_shift)
    __rlshift__ = _reflected(ops.bitwise_left_shift)
    __rrshift__ = _reflected(ops.bitwise_right_shift)
    __invert__ = ops.bitwise_not

    # Elementwise ------------------------------------------------------------------------------------------------------

    abs = absolute = ops.abs
    acos = arccos = ops.acos
    acosh = arccosh = ops.acosh
    asin = arcsin = ops.asin
    asinh = arcsinh = ops.asinh
    atan = arctan = ops.atan
    atan2 = arctan2 = ops.atan2
    atanh = arctanh = ops.atanh
    ceil = ops.ceil
    copysign = ops.copysign
    cos = ops.cos
    cosh = ops.cosh
    deg2rad = ops.deg2rad
    digamma = ops.digamma
    erf = ops.erf
    erfc = ops.erfc
    erfinv = ops.erfinv
    exp = ops.exp
    exp2 = ops.exp2
    expm1 = ops.expm1
    floor = ops.floor
    float_power = ops.float_power
    frac = ops.frac
    frexp = ops.frexp
    heaviside = ops.heaviside
    hardshrink = ops.hardshrink
    hypot = ops.hypot
    i0 = ops.i0
    igamma = ops.igamma
    igammac = ops.igammac
    ldexp = ops.ldexp
    lerp = ops.lerp
    lgamma = ops.lgamma
    log = ops.log
    log10 = ops.log10
    log1p = ops.log1p
    log2 = ops.log2
    log_softmax = ops.log_softmax
    logaddexp = ops.logaddexp
    logaddexp2 = ops.logaddexp2
    logit = ops.logit
    mvlgamma = ops.mvlgamma
    nan_to_num = ops.nan_to_num
    nextafter = ops.nextafter
    polygamma = polygamma_method
    rad2deg = ops.rad2deg
    reciprocal = ops.reciprocal
    prelu = ops.prelu
    relu = ops.relu
    round = ops.round
    rsqrt = ops.rsqrt
    sgn = ops.sgn
    sigmoid = ops.sigmoid
    sign = ops.sign
    sin = ops.sin
    sinc = ops.sinc
    sinh = ops.sinh
    softmax = ops.softmax
    sqrt = ops.sqrt
    square = ops.square
    tan = ops.tan
    tanh = ops.tanh
    trunc = fix = ops.trunc
    xlogy = ops.xlogy

    # Complex numbers --------------------------------------------------------------------------------------------------

    adjoint = ops.adjoint
    angle = ops.angle
    conj = ops.conj
    conj_physical = ops.conj_physical
    is_conj = ops.is_conj
    is_neg = ops.is_neg
    resolve_conj = ops.resolve_conj
    resolve_neg = ops.resolve_neg

    istft = ops.istft
    stft = ops.stft

    # Arithmetic by name -----------------------------------------------------------------------------------------------

    add = ops.add
    addcdiv = ops.addcdiv
    addcmul = ops.addcmul
    clamp = clip = ops.clamp
    clamp_max = ops.clamp_max
    clamp_min = ops.clamp_min
    div = divide = true_divide = ops.div
    floor_divide = ops.floor_divide
    fmax = ops.fmax
    fmin = ops.fmin
    fmod = ops.fmod
    maximum = ops.maximum
    minimum = ops.minimum
    mul = multiply = ops.mul
    neg = negative = ops.neg
    positive = ops.positive
    pow = ops.pow
    remainder = ops.remainder
    sub = subtract = ops.sub
    gcd = ops.gcd
    lcm = ops.lcm

    # Comparisons and tests --------------------------------------------------------------------------------------------

    all = ops.all
    allclose = ops.allclose
    any = ops.any
    bitwise_and = ops.bitwise_and
    bitwise_not = ops.bitwise_not
    bitwise_or = ops.bitwise_or
    bitwise_xor = ops.bitwise_xor
    bitwise_left_shift = ops.bitwise_left_shift
    bitwise_right_shift = ops.bitwise_right_shift
    eq = ops.eq
    equal = ops.equal
    ge = greater_equal = ops.ge
    gt = greater = ops.gt
    is_complex = ops.is_complex
    is_floating_point = ops.is_floating_point
    is_nonzero = ops.is_nonzero
    is_signed = ops.is_signed
    isreal = ops.isreal
    isclose = ops.isclose
    isfinite = ops.isfinite
    isinf = ops.isinf
    isnan = ops.isnan
    isneginf = ops.isneginf
    isposinf = ops.isposinf
    le = less_equal = ops.le
    logical_and = ops.logical_and
    logical_not = ops.logical_not
    logical_or = ops.logical_or
    logical_xor = ops.logical_xor
    lt = less = ops.lt
    ne = not_equal = ops.ne
    signbit = ops.signbit

    # Reductions -------------------------------------------------------------------------------------------------------

    amax = ops.amax
    amin = ops.amin
    aminmax = ops.aminmax
    argmax = ops.argmax
    argmin = ops.argmin
    argsort = ops.argsort
    argwhere = ops.argwhere
    bernoulli = ops.bernoulli
    bincount = ops.bincount
    histc = ops.histc
    histogram = ops.histogram
    unique = ops.unique
    unique_consecutive = ops.unique_consecutive
    count_nonzero = ops.count_nonzero
    cummax = ops.cummax
    cummin = ops.cummin
    cumprod = ops.cumprod
    cumsum = ops.cumsum
    kthvalue = ops.kthvalue
    logcumsumexp = ops.logcumsumexp
    logsumexp = ops.logsumexp
    max = ops.max
    mean = ops.mean
    median = ops.median
    min = ops.min
    mode = ops.mode
    msort = ops.msort
    multinomial = ops.multinomial
    nanmean = ops.nanmean
    nanmedian = ops.nanmedian
    nanquantile = ops.nanquantile
    nansum = ops.nansum
    nonzero = ops.nonzero
    norm = ops.norm
    prod = ops.prod
    quantile = ops.quantile
    sort = ops.sort
    std = ops.std
    sum = ops.sum
    sum_to_size = ops.sum_to_size
    topk = ops.topk
    var = ops.var

    # Products ---------------------------------------------------------------------------------------------------------

    addbmm = ops.addbmm
    addmm = ops.addmm
    addmv = ops.addmv
    addr = ops.addr
    baddbmm = ops.baddbmm
    bmm = ops.bmm
    cross = ops.cross
    dot = ops.dot
    inner = ops.inner
    kron = ops.kron
    matmul = ops.matmul
    matrix_power = ops.matrix_power
    mm = ops.mm
    mv = ops.mv
    outer = ger = ops.outer
    vdot = ops.vdot

    # Linear algebra ---------------------------------------------------------------------------------------------------

    cholesky = ops.cholesky
    cholesky_inverse = ops.cholesky_inverse
    cholesky_solve = ops.cholesky_solve
    corrcoef = ops.corrcoef
    cov = ops.cov
    det = ops.det
    dist = ops.dist
    inverse = ops.inverse
    logdet = ops.logdet
    lu = ops.lu
    lu_solve = ops.lu_solve
    matrix_exp = ops.matrix_exp
    orgqr = ops.orgqr
    ormqr = ops.ormqr
    pinverse = ops.pinverse
    qr = ops.qr
    renorm = ops.renorm
    slogdet = ops.slogdet
    svd = ops.svd
    triangular_solve = ops.triangular_solve

    # Shape ------------------------------------------------------------------------------------------------------------

    broadcast_to = ops.broadcast_to
    chunk = ops.chunk
    clone = ops.clone
    contiguous = ops.contiguous
    diag = ops.diag
    diag_embed = ops.diag_embed
    diagflat = ops.diagflat
    diagonal = ops.diagonal
    diagonal_scatter = ops.diagonal_scatter
    diff = ops.diff
    dsplit = ops.dsplit
    expand = ops.expand
    expand_as = ops.expand_as
    flatten = ops.flatten
    flip = ops.flip
    fliplr = ops.fliplr
    flipud = ops.flipud
    hsplit = ops.hsplit
    movedim = moveaxis = ops.movedim
    permute = ops.permute
    ravel = ops.ravel
    repeat = ops.repeat
    repeat_interleave = ops.repeat_interleave
    reshape = ops.reshape
    reshape_as = ops.reshape_as
    roll = ops.roll
    rot90 = ops.rot90
    select = ops.select
    select_scatter = ops.select_scatter
    slice_scatter = ops.slice_scatter
    split = ops.split
    split_with_sizes = ops.split_with_sizes
    squeeze = ops.squeeze
    swapaxes = swapdims = ops.swapaxes
    t = ops.t
    tensor_split = ops.tensor_split
    tile = ops.tile
    trace = ops.trace
    transpose = ops.transpose
    tril = ops.tril
    triu = ops.triu
    unbind = ops.unbind
    unflatten = ops.unflatten
    unfold = ops.unfold_copy
    unsqueeze = ops.unsqueeze
    view = ops.view
    view_as = ops.view_as
    vsplit = ops.vsplit
    as_strided = ops.as_strided
    as_strided_scatter = ops.as_strided_scatter
    unsafe_chunk = ops.unsafe_chunk
    unsafe_split = ops.unsafe_split
    unsafe_split_with_sizes = ops.unsafe_split_with_sizes

    # Parts ------------------------------------------------------------------------------------------------------------

    gather = ops.gather
    index_add = ops.index_add
    index_copy = ops.index_copy
    index_fill = ops.index_fill
    index_put = ops.index_put
    index_reduce = ops.index_reduce
    index_select = ops.index_select
    masked_fill = ops.masked_fill
    masked_scatter = ops.masked_scatter
    masked_select = ops.masked_select
    narrow = ops.narrow
    narrow_copy = ops.narrow_copy
    put = ops.put
    scatter = ops.scatter
    scatter_add = ops.scatter_add
    scatter_reduce = ops.scatter_reduce
    take = ops.take
    take_along_dim = ops.take_along_dim
