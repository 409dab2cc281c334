"""Elements in order, and the extremes: against torch, with ties, NaN, and torch's errors."""

import math

import pytest
import torch

import nexnet as nx

nan = math.nan


def gradient(fn, value):
    return nx.grad(fn)(nx.LiteTensor(value, dtype=torch.float64)).tolist()


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 2)])
def test_sorting_against_torch(shape, draw, check_against_torch):
    for call in (
        lambda f, x: f.sort(x)[0],
        lambda f, x: f.sort(x, dim=0, descending=True).values,
        lambda f, x: f.sort(x, dim=0, stable=True, descending=True)[0],
        lambda f, x: x.sort(-1)[0],
        lambda f, x: f.msort(x),
        lambda f, x: f.topk(x, 2)[0],
        lambda f, x: x.topk(2, dim=0, largest=False).values,
        lambda f, x: f.kthvalue(x, 2)[0],
        lambda f, x: x.kthvalue(1, 0, keepdim=True).values,
        lambda f, x: f.mode(x, 0)[0],
        lambda f, x: f.aminmax(x, dim=-1),
        lambda f, x: x.aminmax(),
        lambda f, x: f.nanmedian(x),
        lambda f, x: f.nanmedian(x, 0, True)[0],
        lambda f, x: f.nanmean(x, 0),
    ):
        check_against_torch(lambda x, c=call: c(nx, x), lambda x, c=call: c(torch, x), draw(*shape))
        check_against_torch(lambda x, c=call: c(torch, x), lambda x, c=call: c(torch, x), draw(*shape), order=1)


def test_indices_come_along():
    values, indices = nx.sort(nx.LiteTensor([3.0, 1.0, 2.0]))
    assert (values.tolist(), indices.tolist()) == ([1, 2, 3], [1, 2, 0])
    assert nx.topk(nx.LiteTensor([3.0, 1.0, 2.0]), 2).indices.tolist() == [0, 2]
    assert nx.sort(nx.LiteTensor(2.0)).values.tolist() == 2


class TestTies:
    def test_a_stable_sort_keeps_their_order(self):
        weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
        assert gradient(lambda x: nx.sort(x, stable=True)[0] * weights, [2.0, 2.0, 1.0]) == [2, 3, 1]

    def test_of_all_elements_share_and_along_a_dimension_one_has_it(self):
        for fn in (nx.median, nx.nanmedian, nx.max):
            assert gradient(fn, [2.0, 2.0, 2.0]) == pytest.approx([1 / 3] * 3)
            assert sorted(gradient(lambda x, f=fn: f(x, 0)[0], [2.0, 2.0, 2.0])) == [0, 0, 1]
        assert gradient(lambda x: nx.aminmax(x)[1], [2.0, 2.0, 1.0]) == [0.5, 0.5, 0]


class TestNan:
    def test_nan_is_an_element_that_is_selected(self, check_against_torch):
        x = torch.tensor([1.0, nan, 3.0], dtype=torch.float64)
        for name in ("max", "min", "median", "nanmedian", "nanmean", "nansum"):
            check_against_torch(getattr(nx, name), getattr(torch, name), x, order=1)

    def test_quantiles(self, check_against_torch):
        x = torch.tensor([[1.0, nan, 3.0, 5.0], [4.0, 1.0, 2.0, 9.0]], dtype=torch.float64)
        for name in ("quantile", "nanquantile"):
            mine, theirs = getattr(nx, name), getattr(torch, name)
            check_against_torch(lambda x, f=mine: f(x, 0.4, 1), lambda x, f=theirs: f(x, 0.4, 1), x, order=1)
        all_nan = torch.tensor([nan, nan], dtype=torch.float64)
        check_against_torch(lambda x: nx.nanquantile(x, 0.4), lambda x: torch.nanquantile(x, 0.4), all_nan, order=1)


class TestQuantile:
    @pytest.mark.parametrize("way", ["linear", "lower", "higher", "midpoint", "nearest"])
    @pytest.mark.parametrize("keepdim", [False, True])
    @pytest.mark.parametrize("dim", [None, 0, -1])
    def test_against_torch(self, way, keepdim, dim, draw, check_against_torch):
        for q in (0.3, 0.5, torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64), torch.tensor(0.7).double()):
            check_against_torch(
                lambda x, q=q: nx.quantile(x, q, dim, keepdim, interpolation=way),
                lambda x, q=q: torch.quantile(x, q, dim, keepdim, interpolation=way),
                draw(3, 5),
            )

    def test_by_q(self, draw, check_against_torch):
        q = torch.tensor([0.2, 0.63], dtype=torch.float64)
        check_against_torch(lambda x, q: nx.quantile(x, q, 0), lambda x, q: torch.quantile(x, q, 0), draw(4, 2), q)

    def test_a_rank_is_a_number_of_the_tensors_dtype(self):
        """As in torch; from 2.14 on it takes a rank of float64 for one of float32."""
        for x in (torch.arange(101.0), torch.arange(101.0).double()):
            for q in [i / 100 for i in range(101)]:
                rank = torch.tensor(q, dtype=x.dtype) * 100
                for way, rounded in (("lower", rank.floor()), ("higher", rank.ceil()), ("nearest", rank.round())):
                    assert nx.quantile(x, q, interpolation=way).item() == rounded.item(), (q, way, x.dtype)

    def test_errors_are_torchs(self):
        x = nx.ones(3)
        with pytest.raises(IndexError, match="Dimension out of range"):
            nx.quantile(x, 0.5, 1)
        for q, text in ((1.5, "range"), (torch.tensor([0.5]).double(), "same dtype"), (torch.ones(1, 1), "1D")):
            with pytest.raises(RuntimeError, match=text):
                nx.quantile(x, q)
        with pytest.raises(RuntimeError, match="interpolation"):
            nx.quantile(x, 0.5, interpolation="cubic")
        with pytest.raises(RuntimeError, match="non-empty"):
            nx.quantile(nx.ones(0), 0.5)
        with pytest.raises(RuntimeError, match="float or double"):
            nx.quantile(nx.ones(3, dtype=torch.float16), 0.5)

    def test_without_dimensions_and_on_meta(self, check_against_torch, draw):
        check_against_torch(lambda x: nx.quantile(x, 0.3, 0), lambda x: torch.quantile(x, 0.3, 0), draw())
        assert nx.quantile(nx.LiteTensor(torch.empty(4, 3, device="meta")), 0.5, 1).shape == (4,)


def test_what_is_no_name_of_an_interpolation():
    with pytest.raises((TypeError, ValueError, RuntimeError), match="interpolation"):
        nx.quantile(nx.ones(3), 0.5, interpolation=nx.ones(2))
