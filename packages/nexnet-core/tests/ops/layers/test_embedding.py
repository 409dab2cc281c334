"""Embeddings: against torch to second order, by table and by sample, and what is refused."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError


def indices(*shape, rows=5):
    return torch.randint(0, rows, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(4,), (2, 3), (), (0,)], ids=str)
class TestEmbedding:
    def test_against_torch(self, shape, draw, check_against_torch):
        index = indices(*shape)
        for padding in (None, 2, -1):
            check_against_torch(
                lambda w, p=padding: nx.embedding(index, w, p) ** 2,
                lambda w, p=padding: F.embedding(index, w, p) ** 2,
                draw(5, 3),
                order=2 if index.numel() else 1,  # torch has no second derivative of nothing
            )

    def test_scaled_by_frequency(self, shape, draw, check_against_torch):
        """The reference has a hook's factor in it: torch leaves it out of the second order."""
        index = indices(*shape)
        counts = torch.bincount(index.reshape(-1), minlength=5).clamp(min=1)[:, None]

        class Scaled(torch.autograd.Function):
            @staticmethod
            def forward(ctx, w):
                return w.clone()

            @staticmethod
            def backward(ctx, g):
                return g / counts

        check_against_torch(
            lambda w: nx.embedding(index, w, scale_grad_by_freq=True) ** 2,
            lambda w: F.embedding(index, Scaled.apply(w)) ** 2,
            draw(5, 3),
            order=2 if index.numel() else 1,
        )
        weight = draw(5, 3).requires_grad_()
        (expected,) = torch.autograd.grad(F.embedding(index, weight, scale_grad_by_freq=True).sum(), weight)
        got = nx.grad(lambda w: nx.embedding(index, w, scale_grad_by_freq=True))(nx.LiteTensor(weight.detach()))
        torch.testing.assert_close(got.data, expected)

    def test_torch_reaches_it(self, shape, draw):
        index, w = indices(*shape), draw(5, 3)
        torch.testing.assert_close(F.embedding(nx.LiteTensor(index), nx.LiteTensor(w)).data, F.embedding(index, w))
        torch.testing.assert_close(torch.embedding(nx.LiteTensor(w), index).data, F.embedding(index, w))


OPTIONS = [
    {"mode": "sum"},
    {"mode": "mean"},
    {"mode": "max"},
    {"mode": "sum", "padding_idx": 2},
    {"mode": "mean", "padding_idx": -2},
    {"mode": "max", "padding_idx": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
class TestEmbeddingBag:
    def reference(self, *tensors, **options):
        """With the square, so that the second order is not zero. torch has none of max: it is written out."""

        def theirs(w, *samples):
            bags = self.bags(*tensors)
            padding = options["padding_idx"] % len(w) if "padding_idx" in options else None
            out = []
            for bag in bags:
                kept = [i for i in bag if i[0] != padding]
                rows = [w[k] * (samples[0][place] if samples else 1) for k, place in kept]
                if not rows:
                    out.append(w[0] * 0)
                elif options["mode"] == "max":
                    out.append(torch.stack(rows).max(0)[0])
                else:
                    total = torch.stack(rows).sum(0)
                    out.append(total / len(rows) if options["mode"] == "mean" else total)
            return torch.stack(out) ** 2

        return theirs

    @staticmethod
    def bags(index, offsets=None):
        if index.ndim == 2:
            return [[(k, (i, j)) for j, k in enumerate(row)] for i, row in enumerate(index.tolist())]
        ends = [*offsets.tolist()[1:], len(index)]
        return [
            [(int(index[place]), place) for place in range(start, end)]
            for start, end in zip(offsets.tolist(), ends, strict=True)
        ]

    def test_of_bags_of_one_size(self, options, draw, check_against_torch):
        index = indices(3, 4)
        theirs = self.reference(index, **options)
        check_against_torch(lambda w: nx.embedding_bag(index, w, **options) ** 2, theirs, draw(5, 3))

    def test_of_bags_with_offsets(self, options, draw, check_against_torch):
        index, offsets = indices(7), torch.tensor([0, 3, 3, 5])
        theirs = self.reference(index, offsets, **options)
        check_against_torch(lambda w: nx.embedding_bag(index, w, offsets, **options) ** 2, theirs, draw(5, 3))
        w = draw(5, 3)
        ends = torch.tensor([0, 3, 3, 5, 7])
        got = nx.embedding_bag(index, nx.LiteTensor(w), ends, **options, include_last_offset=True)
        torch.testing.assert_close(got.data, F.embedding_bag(index, w, offsets, **options))

    def test_with_weights_by_sample(self, options, draw, check_against_torch):
        if options["mode"] != "sum":
            with pytest.raises(InputError, match="per_sample_weights are for mode='sum'"):
                nx.embedding_bag(indices(3, 4), nx.zeros(5, 3), per_sample_weights=nx.zeros(3, 4), **options)
            return
        index, offsets = indices(7), torch.tensor([0, 3, 3, 5])
        check_against_torch(
            lambda w, s: nx.embedding_bag(index, w, offsets, per_sample_weights=s, **options) ** 2,
            self.reference(index, offsets, **options),
            *(draw(5, 3), draw(7)),
        )
        index = indices(3, 4)
        check_against_torch(
            lambda w, s: nx.embedding_bag(index, w, per_sample_weights=s, **options) ** 2,
            self.reference(index, **options),
            *(draw(5, 3), draw(3, 4)),
        )

    def test_scaled_by_frequency(self, options, draw):
        if options["mode"] == "max":
            with pytest.raises(InputError, match="max has no gradient scaled by frequency"):
                nx.embedding_bag(indices(3, 4), nx.zeros(5, 3), scale_grad_by_freq=True, **options)
            return
        index, weight = indices(3, 4), draw(5, 3).requires_grad_()
        out = F.embedding_bag(index, weight, scale_grad_by_freq=True, **options)
        (expected,) = torch.autograd.grad((out**2).sum(), weight)
        fn = nx.grad(lambda w: (nx.embedding_bag(index, w, scale_grad_by_freq=True, **options) ** 2).sum())
        torch.testing.assert_close(fn(nx.LiteTensor(weight.detach())).data, expected)


class TestErrors:
    def test_max_norm(self):
        for fn in (nx.embedding, nx.embedding_bag):
            with pytest.raises(InputError, match=r"max_norm writes into the table(.|\n)*clamp"):
                fn(indices(2, 2), nx.zeros(5, 3), max_norm=1.0)

    def test_sparse(self):
        for fn in (nx.embedding, nx.embedding_bag):
            with pytest.raises(InputError, match="gradients are dense"):
                fn(indices(2, 2), nx.zeros(5, 3), sparse=True)

    def test_what_is_no_row(self):
        with pytest.raises(IndexError, match="index out of range"):
            nx.embedding(torch.tensor([5]), nx.zeros(5, 3))
        with pytest.raises(InputError, match="padding_idx is no row"):
            nx.embedding(torch.tensor([0]), nx.zeros(5, 3), 5)

    def test_shapes_of_bags(self):
        table = nx.zeros(5, 3)
        with pytest.raises(InputError, match="needs offsets"):
            nx.embedding_bag(indices(4), table)
        with pytest.raises(InputError, match="needs no offsets"):
            nx.embedding_bag(indices(2, 4), table, torch.tensor([0]))
        with pytest.raises(InputError, match="each index has one weight"):
            nx.embedding_bag(indices(2, 4), table, mode="sum", per_sample_weights=nx.zeros(2))
        with pytest.raises(InputError, match="mode is sum, mean or max"):
            nx.embedding_bag(indices(2, 4), table, mode="median")
        with pytest.raises(InputError, match="two dimensions"):
            nx.embedding_bag(indices(2, 4), nx.zeros(5))


def test_on_the_meta_device():
    index, table = torch.zeros(2, 3, dtype=torch.long, device="meta"), torch.empty(5, 4, device="meta")
    assert nx.grad(lambda w: nx.embedding(index, w))(nx.LiteTensor(table)).shape == (5, 4)
