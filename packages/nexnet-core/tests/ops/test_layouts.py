"""Every rule that calls a backward kernel of torch's, with tensors and gradients in every layout of the same values.

Some of these kernels are wrong for strides that torch's own graph does not hand to them, and say nothing.
"""

import itertools
import random
import zlib

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet as nx

IMAGE, ALONE, VOLUME, ROWS = (2, 4, 2, 3), (1, 4, 2, 2), (1, 4, 2, 2, 2), (3, 4)


def layouts(t, rng):
    """Give the same values in other strides: transposed, with steps, from the middle, odd where a size is 1."""
    found = [t]
    for order in rng.sample(list(itertools.permutations(range(t.ndim))), min(6, [1, 1, 2, 6, 24, 120][t.ndim])):
        moved = t.permute(order).contiguous().permute([order.index(i) for i in range(t.ndim)])
        odd = [rng.choice((0, 1, 3, 8, 40)) if n == 1 else s for n, s in zip(t.shape, moved.stride(), strict=True)]
        found += [moved, moved.as_strided(t.shape, odd)]
    if t.ndim:
        wide = torch.zeros(*t.shape[:-1], 2 * t.shape[-1] + 1, dtype=t.dtype)
        wide[..., 1::2] = t
        found.append(wide[..., 1::2])
    return found


def sharing(t):
    """Give other values, whose places in memory are not all different: expanded, and overlapping."""
    wide = [t.narrow(d, 0, 1).expand(t.shape) for d in range(t.ndim)]
    return [*wide, t.flatten()[:1].squeeze().expand(t.shape), t.flatten().as_strided(t.shape, [1] * t.ndim)]


def stats(shape):
    return [torch.linspace(-1, 1, shape[1]).double(), torch.linspace(0.5, 2, shape[1]).double()]


def cases():
    """Give name: (function, shapes differentiated by, further tensors)."""
    found = {}
    for kind, shape in {"rows": ROWS, "image": IMAGE, "one example": ALONE, "one volume": VOLUME}.items():
        c = shape[1]
        found |= {
            f"batch_norm, training, {kind}": (
                lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [shape, (c,), (c,)], []
            ),
            f"batch_norm, evaluation, {kind}": (
                lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b), [shape, (c,), (c,)], stats(shape)
            ),
            f"layer_norm, {kind}": (
                lambda x, w, b: F.layer_norm(x, x.shape[1:], w, b), [shape, shape[1:], shape[1:]], []
            ),
            f"group_norm, {kind}": (lambda x, w, b: F.group_norm(x, 2, w, b), [shape, (c,), (c,)], []),
            f"softmax, {kind}": (lambda x: F.softmax(x, 1) + F.log_softmax(x, 1), [shape], []),
            f"element by element, {kind}": (
                lambda x: F.silu(x) * F.gelu(x) + F.softplus(x) * F.mish(x) + F.elu(x) * F.hardswish(x), [shape], []
            ),
            f"kinked, {kind}": (
                lambda x: F.leaky_relu(x) + F.hardtanh(x) + F.softshrink(x) * F.hardshrink(x) + nx.relu(x), [shape], []
            ),
            f"prelu, {kind}": (F.prelu, [shape, (c,)], []),
            f"glu, {kind}": (lambda x: F.glu(x, 1), [shape], []),
            f"losses, {kind}": (
                lambda x, y: F.mse_loss(x, y) * F.smooth_l1_loss(x, y, reduction="none") + F.huber_loss(x, y),
                [shape, shape],
                [],
            ),
        }  # fmt: skip
    for kind, shape in {"image": IMAGE, "one example": ALONE}.items():
        n, c, h, w = shape
        target = torch.arange(n * h * w).reshape(n, h, w) % c
        found |= {
            f"max_pool2d, {kind}": (lambda x: F.max_pool2d(x, 2, 1), [shape], []),
            f"avg_pool2d, {kind}": (lambda x: F.avg_pool2d(x, 2, 1), [shape], []),
            f"adaptive, 2d, {kind}": (
                lambda x: F.adaptive_avg_pool2d(x, (2, 1)) + F.adaptive_max_pool2d(x, (2, 1)), [shape], []
            ),
            f"fractional_max_pool2d, {kind}": (
                lambda x, u: F.fractional_max_pool2d(x, 1, output_size=(2, 2), _random_samples=u),
                [shape], [torch.full((n, c, 2), 0.3).double()],
            ),
            f"interpolate, 2d, {kind}": (
                lambda x: sum(F.interpolate(x, (4, 5), mode=mode) for mode in ("nearest", "bilinear", "bicubic")),
                [shape], [],
            ),
            f"pad, 2d, {kind}": (
                lambda x: F.pad(x, (1, 1, 1, 1), "reflect") + F.pad(x, (1, 1, 1, 1), "replicate"), [shape], []
            ),
            f"conv2d, {kind}": (lambda x, k: F.conv2d(x, k, padding=1), [shape, (3, c, 2, 2)], []),
            f"conv2d by channel, {kind}": (
                lambda x, k: F.conv2d(x, k, padding=1, groups=4), [shape, (4, 1, 2, 2)], []
            ),
            f"conv_transpose2d, {kind}": (F.conv_transpose2d, [shape, (c, 3, 2, 2)], []),
            f"grid_sample, 2d, {kind}": (
                lambda x, grid: F.grid_sample(x, grid, align_corners=False), [shape, (n, 3, 2, 2)], []
            ),
            f"nll_loss, 2d, {kind}": (lambda x, t: F.nll_loss(x, t), [shape], [target]),
            f"unfold, {kind}": (lambda x: F.unfold(x, (2, 1)), [shape], []),
            f"attention, {kind}": (F.scaled_dot_product_attention, [shape, shape, shape], []),
        }  # fmt: skip
    bags, offsets = torch.tensor([2, 0, 1, 1, 2]), torch.tensor([0, 2])
    return found | {
        "pooling, 3d": (
            lambda x: F.max_pool3d(x, 2, 1) + F.avg_pool3d(x, 2, 1) + F.adaptive_avg_pool3d(x, 1), [VOLUME], []
        ),
        "adaptive_max_pool3d": (lambda x: F.adaptive_max_pool3d(x, (2, 1, 2)), [VOLUME], []),
        "fractional_max_pool3d": (
            lambda x, u: F.fractional_max_pool3d(x, 1, output_size=(1, 1, 1), _random_samples=u),
            [VOLUME], [torch.full((1, 4, 3), 0.3).double()],
        ),
        "interpolate, 3d": (
            lambda x: F.interpolate(x, (3, 4, 3), mode="trilinear") + F.interpolate(x, (3, 4, 3)), [VOLUME], []
        ),
        "pad, 3d": (lambda x: F.pad(x, (1,) * 6, "replicate") + F.pad(x, (1,) * 6, "reflect"), [VOLUME], []),
        "conv3d": (F.conv3d, [VOLUME, (3, 4, 2, 2, 2)], []),
        "grid_sample, 3d": (
            lambda x, grid: F.grid_sample(x, grid, align_corners=False), [VOLUME, (1, 3, 2, 2, 3)], []
        ),
        "nll_loss": (F.nll_loss, [ROWS], [torch.tensor([0, 3, 1])]),
        "multi_margin_loss": (F.multi_margin_loss, [ROWS], [torch.tensor([0, 3, 1])]),
        "multilabel_margin_loss": (
            F.multilabel_margin_loss, [ROWS], [torch.tensor([[0, 3, -1, 0], [1, -1, 0, 0], [2, 0, 1, -1]])]
        ),
        "soft_margin_loss": (F.soft_margin_loss, [ROWS], [torch.ones(ROWS).double()]),
        "binary_cross_entropy": (lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()), [ROWS, ROWS], []),
        "embedding": (lambda w, i: F.embedding(i, w), [(3, 4)], [bags]),
        "embedding_bag": (lambda w, i, o: F.embedding_bag(i, w, o), [(3, 4)], [bags, offsets]),
        "embedding_bag, weighted": (
            lambda w, s, i, o: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=s),
            [(3, 4), (5,)], [bags, offsets],
        ),
        "embedding_bag, the greatest": (
            lambda w, i, o: F.embedding_bag(i, w, o, mode="max"), [(3, 4)], [bags, offsets]
        ),
        "cdist": (torch.cdist, [(2, 3, 4), (2, 2, 4)], []),
        "pdist": (F.pdist, [ROWS], []),
        "ctc_loss": (
            lambda x, t: F.ctc_loss(x, t, [4, 4], [2, 1]), [(4, 2, 3)], [torch.tensor([[1, 2], [2, 0]])]
        ),
        "affine_grid": (lambda m: F.affine_grid(m, (2, 1, 2, 3), align_corners=False), [(2, 2, 3)], []),
        "unfolded": (lambda x: nx.LiteTensor.unfold(x, 1, 2, 1), [ROWS], []),
        "diagonal": (lambda x: torch.diagonal(x, 1), [ROWS], []),
        "masked_scatter": (
            lambda x, s, m: torch.masked_scatter(x, m, s), [ROWS, (12,)], [torch.arange(12).reshape(ROWS) % 3 == 0]
        ),
    }  # fmt: skip


CASES = cases()


def value_and_gradients(fn, points, others, cotangent):
    out, pullback = nx.vjp(lambda *points: fn(*points, *others), *[nx.LiteTensor(each) for each in points])
    if cotangent is None:
        return out.data, None
    return out.data, [each.data for each in pullback(nx.LiteTensor(cotangent))]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_layout_changes_nothing(name):
    fn, shapes, others = CASES[name]
    rng, generator = random.Random(name), torch.Generator().manual_seed(zlib.crc32(name.encode()))
    points = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    value, _ = value_and_gradients(fn, points, others, None)
    cotangent = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    given = [*points, *others, cotangent]
    count = len(points)

    def results(tensors):
        return value_and_gradients(fn, tensors[:count], tensors[count:-1], tensors[-1])

    def check(tensors, expected):
        strides = [(tuple(each.shape), each.stride()) for each in tensors]
        torch.testing.assert_close(results(tensors), expected, msg=lambda text: f"{strides}: {text}")

    expected = results(given)
    for i, each in enumerate(given):
        for other in layouts(each, rng):
            check([*given[:i], other, *given[i + 1 :]], expected)
    for _ in range(20):
        check([rng.choice(layouts(each, rng)) for each in given], expected)
    for shared in sharing(cotangent):
        check([*given[:-1], shared], results([*given[:-1], shared.contiguous()]))
