"""Attention: torch's fused kernel and the formula, each against torch's formula to second order; masks and heads."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

SHAPES = [((2, 3, 4, 5), (2, 3, 6, 5)), ((3, 4, 5), (3, 6, 5)), ((4, 5), (6, 5)), ((1, 1, 1, 1), (1, 1, 3, 1))]


def in_torch(q, k, v, mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """torch's formula: its fused kernel has no second derivative."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
class TestScaledDotProduct:
    def check(self, check_against_torch, draw, shapes, mask=None, **options):
        check_against_torch(
            lambda q, k, v: nx.scaled_dot_product_attention(q, k, v, mask, **options),
            lambda q, k, v: in_torch(q, k, v, mask, **options),
            *(draw(*shapes[0]), draw(*shapes[1]), draw(*shapes[1])),
        )

    def test_without_a_mask(self, shapes, draw, check_against_torch):
        self.check(check_against_torch, draw, shapes)
        self.check(check_against_torch, draw, shapes, scale=0.7)

    def test_causal(self, shapes, draw, check_against_torch):
        self.check(check_against_torch, draw, shapes, is_causal=True)

    def test_a_boolean_mask(self, shapes, draw, check_against_torch):
        mask = draw(shapes[0][-2], shapes[1][-2]) > -1
        self.check(check_against_torch, draw, shapes, mask)

    def test_a_mask_of_numbers_and_by_it(self, shapes, draw, check_against_torch):
        mask = draw(shapes[0][-2], shapes[1][-2])
        self.check(check_against_torch, draw, shapes, mask)
        tensors = (draw(*shapes[0]), draw(*shapes[1]), draw(*shapes[1]), mask)
        check_against_torch(nx.scaled_dot_product_attention, in_torch, *tensors)

    def test_a_query_that_sees_nothing(self, shapes, draw):
        q, k, v = (nx.LiteTensor(each) for each in (draw(*shapes[0]), draw(*shapes[1]), draw(*shapes[1])))
        mask = torch.ones(shapes[0][-2], shapes[1][-2], dtype=torch.bool)
        mask[0] = False
        value, grads = nx.value_and_grad(lambda *a: nx.scaled_dot_product_attention(*a, mask), (0, 1, 2))(q, k, v)
        assert not value.data[..., 0, :].any()
        assert all(each.data.isfinite().all() for each in grads)
        assert not grads[0].data[..., 0, :].any()


class TestScaledDotProductAtLarge:
    def test_the_fused_kernel_is_used(self, draw):
        x = nx.LiteTensor(draw(2, 3, 4, 5))
        _, tape = nx.trace(nx.scaled_dot_product_attention)(x, x, x)
        assert [node.name for node in tape.nodes] == ["_flash_attention"]

    def test_third_order(self, draw, check_against_torch):
        check_against_torch(nx.scaled_dot_product_attention, in_torch, *[draw(1, 2, 3, 2) for _ in range(3)], order=3)

    def test_fewer_heads_of_keys(self, draw, check_against_torch):
        for batch in ((2,), ()):
            check_against_torch(
                lambda q, k, v: nx.scaled_dot_product_attention(q, k, v, enable_gqa=True),
                lambda q, k, v: in_torch(q, k, v, enable_gqa=True),
                *(draw(*batch, 4, 3, 5), draw(*batch, 2, 6, 5), draw(*batch, 2, 6, 5)),
            )
        with pytest.raises(InputError, match="must divide those of the queries"):
            nx.scaled_dot_product_attention(nx.zeros(4, 3, 5), nx.zeros(3, 3, 5), nx.zeros(3, 3, 5), enable_gqa=True)

    def test_dropout_draws_as_torch_does(self, draw):
        q, k, v = draw(2, 3, 4, 5), draw(2, 3, 6, 5), draw(2, 3, 6, 5)
        torch.manual_seed(3)
        expected = in_torch(q, k, v, dropout_p=0.4)
        torch.manual_seed(3)
        got = nx.scaled_dot_product_attention(nx.LiteTensor(q), k, v, dropout_p=0.4)
        torch.testing.assert_close(got.data, expected)
        drawn = [
            nx.scaled_dot_product_attention(
                nx.LiteTensor(q), k, v, dropout_p=0.4, generator=torch.Generator().manual_seed(1)
            ).data
            for _ in range(2)
        ]
        assert torch.equal(*drawn)

    def test_other_strides(self, draw, check_against_torch):
        q, k, v = (draw(2, 4, 3, 5).transpose(1, 2) for _ in range(3))
        check_against_torch(nx.scaled_dot_product_attention, in_torch, q, k, v)

    def test_a_mask_beside_is_causal(self):
        x = nx.zeros(2, 3, 4)
        with pytest.raises(InputError, match="is_causal is a mask already"):
            nx.scaled_dot_product_attention(x, x, x, torch.zeros(3, 3), is_causal=True)

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str)
    def test_other_precisions(self, dtype, tolerance, draw):
        tensors = [draw(2, 3, 16, 8).to(dtype) for _ in range(3)]
        exact = [each.double().requires_grad_() for each in tensors]
        expected = torch.autograd.grad((in_torch(*exact) ** 2).sum(), exact)
        got = nx.grad(lambda *a: (nx.scaled_dot_product_attention(*a) ** 2).sum(), (0, 1, 2))(
            *map(nx.LiteTensor, tensors)
        )
        for mine, reference in zip(got, expected, strict=True):
            assert mine.dtype is dtype
            torch.testing.assert_close(mine.data.double(), reference, rtol=tolerance, atol=tolerance)

    def test_on_the_meta_device(self):
        x = nx.LiteTensor(torch.empty(2, 3, 4, 5, device="meta"))
        assert nx.grad(nx.scaled_dot_product_attention)(x, x, x).shape == (2, 3, 4, 5)

    def test_example_by_example(self, draw):
        q, k, v = (nx.LiteTensor(draw(2, 3, 4, 5)) for _ in range(3))
        loss = nx.grad(lambda q, k, v: (nx.scaled_dot_product_attention(q, k, v) ** 2).sum())
        torch.testing.assert_close(nx.vmap(loss)(q, k, v).data, loss(q, k, v).data)

    def test_its_jacobian(self, draw):
        """By vmap over cotangents, of which torch's kernel knows nothing."""
        q, k, v = (draw(1, 2, 3, 2) for _ in range(3))
        expected = torch.autograd.functional.jacobian(lambda q: in_torch(q, k, v), q)
        got = nx.jacobian(lambda q: nx.scaled_dot_product_attention(q, k, v))(nx.LiteTensor(q))
        torch.testing.assert_close(got.data, expected)


E, HEADS = 6, 3


class TestSeveralHeads:
    def arguments(self, draw, batch, **options):
        query, source = draw(4, *batch, E), draw(5, *batch, E)
        tensors = [query, source, source + 0.5, draw(3 * E, E), draw(3 * E), draw(E, E), draw(E)]

        def call(fn):
            def called(q, k, v, w_in, b_in, w_out, b_out):
                out, weights = fn(
                    q, k, v, E, HEADS, w_in, b_in, None, None, options.get("zero", False), 0.0, w_out, b_out,
                    **{key: each for key, each in options.items() if key != "zero"},
                )  # fmt: skip
                return out if weights is None else (out, weights)

            return called

        return call, tensors

    @pytest.mark.parametrize("batch", [(2,), ()], ids=str)
    @pytest.mark.parametrize("need_weights", [True, False])
    def test_against_torch(self, batch, need_weights, draw, check_against_torch):
        masks = torch.zeros(4, 5, dtype=torch.bool), torch.zeros(*batch, 5, dtype=torch.bool)
        masks[0][0, 1:] = True
        masks[1][..., 3:] = True
        for options in (
            {},
            {"attn_mask": masks[0]},
            {"key_padding_mask": masks[1]},
            {"attn_mask": draw(4, 5), "key_padding_mask": draw(*batch, 5)},
            {"zero": True, "attn_mask": masks[0]},
            {"average_attn_weights": False},
        ):
            call, tensors = self.arguments(draw, batch, need_weights=need_weights, **options)
            theirs = call(F.multi_head_attention_forward)

            def by_formula(*given, theirs=theirs):
                from torch.nn.attention import SDPBackend, sdpa_kernel

                with sdpa_kernel(SDPBackend.MATH):
                    return theirs(*given)

            ours = call(nx.multi_head_attention_forward)
            check_against_torch(ours, by_formula, *tensors, order=1 if options else 2)

    def test_separate_projections_and_biases(self, draw, check_against_torch):
        def call(fn):
            def called(q, k, v, wq, wk, wv, b, bk, bv, w_out):
                return fn(q, k, v, E, HEADS, None, b, bk, bv, False, 0.0, w_out, None, use_separate_proj_weight=True,
                          q_proj_weight=wq, k_proj_weight=wk, v_proj_weight=wv)  # fmt: skip

            return called

        tensors = [draw(4, 2, E), draw(5, 2, 4), draw(5, 2, 3), draw(E, E), draw(E, 4), draw(E, 3), draw(3 * E)]
        tensors += [draw(1, 1, E), draw(1, 1, E), draw(E, E)]
        check_against_torch(
            call(nx.multi_head_attention_forward), call(F.multi_head_attention_forward), *tensors, order=1
        )

    def test_one_tensor_for_all_and_the_hint(self, draw, check_against_torch):
        mask = torch.ones(4, 4, dtype=torch.bool).triu(1)

        def call(fn):
            def called(x, w_in, b_in, w_out):
                options = {"attn_mask": mask, "is_causal": True, "need_weights": False}
                return fn(x, x, x, E, HEADS, w_in, b_in, None, None, False, 0.0, w_out, None, **options)[0]

            return called

        tensors = (draw(4, 2, E), draw(3 * E, E), draw(3 * E), draw(E, E))
        check_against_torch(
            call(nx.multi_head_attention_forward), call(F.multi_head_attention_forward), *tensors, order=1
        )

    def test_errors(self, draw):
        call, tensors = self.arguments(draw, (2,), attn_mask=torch.zeros(4, 4))
        with pytest.raises(InputError, match=r"the mask is \(L, S\)"):
            call(nx.multi_head_attention_forward)(*map(nx.LiteTensor, tensors))
        call, tensors = self.arguments(draw, (2,), key_padding_mask=torch.zeros(4, 4))
        with pytest.raises(InputError, match=r"mask of the padding is \(N, S\)"):
            call(nx.multi_head_attention_forward)(*map(nx.LiteTensor, tensors))
        call, tensors = self.arguments(draw, (2,), is_causal=True)
        with pytest.raises(InputError, match="is_causal says what the mask is"):
            call(nx.multi_head_attention_forward)(*map(nx.LiteTensor, tensors))


def test_a_weight_of_zero_keeps_its_gradient_finite(draw):
    """A mask of -inf among numbers: no NaN comes of -inf times 0."""
    mask = torch.tensor([[0.0, -math.inf], [0.0, 0.0]], dtype=torch.float64)
    x = nx.LiteTensor(draw(1, 1, 2, 3))
    second = nx.grad(lambda x: nx.grad(lambda x: (nx.scaled_dot_product_attention(x, x, x, mask) ** 2).sum())(x).sum())
    assert second(x).data.isfinite().all()
