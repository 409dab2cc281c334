"""Code that writes into tensors, inside of a model: it is as in PyTorch, or an error that says what is shared.

PyTorch is the reference; where it raises, because a tensor that is written into was needed for a gradient, nexnet has
the value before the write, and finite differences are the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet as nx

Function = Callable[[Any], Any]


def zeros(*size: int) -> torch.Tensor:
    return torch.zeros(*size, dtype=torch.float64)


# Programs whose value and gradient are known --------------------------------------------------------------------------


def filled_halves(x: Any) -> Any:
    y = x.new_empty(8)
    y[:4].copy_(x * x)
    y[4:].copy_(x.sin())
    return (y * y).sum()


def zeroed_part(x: Any) -> Any:
    y = x.clone()
    y[1:3].zero_()
    return (y * y).sum()


def filled_zeros(x: Any) -> Any:
    y = zeros(4)
    y[:2] = x[2:] * x[2:]
    return (y * x).sum()


def added_at_indices(x: Any) -> Any:
    y = zeros(2)
    y.index_add_(0, torch.tensor([0, 1, 0, 1]), x * x)
    return (y * y).sum()


def relu_inplace(x: Any) -> Any:
    h = x * 2 - 5
    F.relu(h, inplace=True)
    return (h * x).sum()


@pytest.mark.parametrize(
    ("program", "value", "gradient"),
    [
        (filled_halves, 356.1275601, (4.90929743, 31.2431975, 107.7205845, 256.98935825)),
        (zeroed_part, 17, (2, 0, 0, 8)),
        (filled_zeros, 41, (9, 16, 6, 16)),
        (added_at_indices, 500, (40, 160, 120, 320)),
        (relu_inplace, 15, (0, 0, 7, 11)),
    ],
)
def test_programs_have_the_known_values(program: Function, value: float, gradient: Any, compare: Any) -> None:
    assert compare.nexnet(program) == (pytest.approx(value), pytest.approx(gradient))


# Programs that PyTorch runs, too --------------------------------------------------------------------------------------


def base_after_its_view(x: Any) -> Any:
    y = x * 1
    v = y.view(2, 2)
    y.add_(x)
    return (v * v).sum()


def slices_of_slices(x: Any) -> Any:
    y = x * x
    v = y[1:]
    v[:2].mul_(x[0])
    return (y * y).sum() + (v * 3).sum()


def row_of_a_transpose(x: Any) -> Any:
    y = x * x
    y.view(2, 2).t()[0].add_(x[2:])
    return (y * x).sum()


def running_sum(x: Any) -> Any:
    y = x * x
    for i in range(1, 4):
        y[i] += y[i - 1]
    return (y * y).sum()


def contiguous_is_the_same(x: Any) -> Any:
    y = x * x
    y.contiguous().add_(1)
    return (y * y).sum()


def to_is_the_same(x: Any) -> Any:
    y = x * 2
    y.to(torch.float64).add_(x)
    y.double().mul_(x)
    y.float().add_(1)
    return (y * x).sum()


def dropout_in_evaluation_is_the_same(x: Any) -> Any:
    y = x * x
    F.dropout(y, training=False).mul_(x)
    F.dropout(y, 0.5, training=False, inplace=True).add_(x)
    return y.sum()


def detach_shares_its_memory(x: Any) -> Any:
    y = x * x
    y.detach().mul_(2)
    return (y * x).sum()


def data_shares_its_memory(x: Any) -> Any:
    y = x * 2
    y.data.clamp_(max=5)
    y.data = y.data * 2
    return (y * x).sum()


def detached_sees_its_base(x: Any) -> Any:
    y = x * x
    w = y.detach()
    y.add_(1)
    return (w * x).sum()


def no_grad_writes(x: Any) -> Any:
    y = x * 2
    with torch.no_grad():
        y.mul_(3)
    return (y * x).sum()


def rows_of_a_buffer(x: Any) -> Any:
    y = zeros(4, 4)
    for i in range(4):
        y[i] = x * x[i]
    return (y @ y).sum()


def view_of_a_buffer(x: Any) -> Any:
    y = zeros(2, 4)
    r = y[0]
    r.copy_(x * x)
    return (y * y).sum() + (r * x).sum()


def buffer_after_its_view(x: Any) -> Any:
    y = zeros(2, 4)
    r = y[0]
    y.add_(x)
    return (r * r).sum()


def constant_after_its_use(x: Any) -> Any:
    b = torch.ones(4, dtype=torch.float64)
    y = x + b
    b.add_(1)
    return (y * x * b).sum()


def put_at_indices(x: Any) -> Any:
    y = x * 2
    y[torch.tensor([0, 2])] = x[:2] * x[2:]
    return (y * y).sum()


def put_by_a_mask(x: Any) -> Any:
    y = x * 2
    y[y > 4] = 0
    y.masked_fill_(x > 2, 0.5)
    return (y * y * x).sum()


def put_a_number_in_two_steps(x: Any) -> Any:
    y = x * 2
    y[None, :, None].mul_(x[None, :, None])
    y[1:3][0] = 5
    return (y * x).sum()


def part_of_a_clone_of_an_expanded_one(x: Any) -> Any:
    z = x.reshape(2, 2).expand(3, 2, 2).clone()
    z[1].zero_()
    z[:, 0].add_(x[:2])
    return (z * z).sum()


def scattered(x: Any) -> Any:
    y = x * 2
    y.scatter_(0, torch.tensor([1]), x[:1] * x[3:])
    return (y * y).sum()


def index_methods(x: Any) -> Any:
    y = x * 2
    y.index_copy_(0, torch.tensor([3, 1]), x[:2] * x[2:])
    y.addcmul_(x, x, value=0.5)
    y.clamp_(2, 9)
    return (y * y).sum()


def triangle(x: Any) -> Any:
    y = zeros(4, 4)
    y.diagonal().copy_(x)
    y.triu_()
    y[..., -1] += x
    return (y @ y).sum()


def refilled(x: Any) -> Any:
    y = x * 1
    y.fill_(3)
    y[0] = x[1]
    return (y * y).sum()


def drawn_anew(x: Any) -> Any:
    y = x * 1
    y.normal_()
    return (y * 0 + x * x).sum()


def narrow_parts_that_overlap(x: Any) -> Any:
    y = x * x
    a, b = y.narrow(0, 0, 3), y.narrow(0, 1, 3)
    a.mul_(b.clone())
    return (b * b).sum()


def complex_parts(x: Any) -> Any:
    y = torch.view_as_complex(x.view(2, 2) * 1)
    y.mul_(2)
    torch.view_as_real(y)[..., 0] += 1
    return (y.abs() ** 2).sum()


def view_before_exp(x: Any) -> Any:
    y = x.sin()
    z = y.view(2, 2)
    y.exp_()
    return (z * z).sum()


def deepseek_keys(x: Any) -> Any:
    keys = x.new_empty(2, 4)
    keys[..., :2].copy_(x.view(2, 2))
    keys[..., 2:].copy_(x.view(2, 2).flip(1) * x[0])
    return (keys * keys).sum()


def swin_bias(x: Any) -> Any:
    bias = x.clone()
    length = bias.numel() // 3
    bias[length : 2 * length].zero_()
    return (bias * bias * x).sum()


def shape_in_place(x: Any) -> Any:
    y = x * x
    y.unsqueeze_(0)
    y[0, 1:].mul_(2)
    return (y.squeeze_() * x).sum()


def views_of_views_in_a_loop(x: Any) -> Any:
    y = (x * x).repeat(4).view(4, 4)
    v = y[1:]
    for i in range(3):
        v.t()[i].mul_(x[1:] + i)
        v = v[:, :]
    return (y * y).sum() + v.sum()


def no_grad_parts(x: Any) -> Any:
    y = torch.cat([x.view(2, 2), x.view(2, 2) * 2])
    with torch.no_grad():
        y[1] += 1
        y[:, 0].clamp_(max=3)
        y.t()[1].div_(2)
        torch.mul(x[:2], x[2:], out=y[3])
    return (y * y).sum()


def masked_and_put(x: Any) -> Any:
    y = (x * 2).view(2, 2)
    y[:, 0].masked_scatter_(torch.tensor([True, True]), x[2:])
    y.t().put_(torch.tensor([1, 1]), x[:2] * 3, accumulate=True)
    y[1].index_put_((torch.tensor([0, 0]),), x[:2] * x[1:3], accumulate=True)
    return (y * y).sum()


def reduced_into_a_view(x: Any) -> Any:
    y = (x * 2).repeat(2).view(2, 4)
    y[:, 1:].scatter_add_(1, torch.tensor([[0, 0, 2, 1]]), (x * x)[None])
    y[1].scatter_reduce_(0, torch.tensor([0, 0, 1, 2]), x * x, "sum")
    return (y * y).sum()


def data_has_a_memory_of_its_own(x: Any) -> Any:
    y = x * x
    v = y[1:]
    z = torch.ones(4, dtype=torch.float64)
    y.data = z
    z.mul_(5)
    y.data[2:].mul_(2)
    return (y * x).sum() + (v * x[1:]).sum() + (z * x).sum()


def real_and_imaginary_parts(x: Any) -> Any:
    y = torch.complex(x, x * x)
    y.real = x * 3
    y.imag[1:] = 0
    y.conj()[:1].mul_(2j)
    return (torch.view_as_real(y * y) * torch.tensor([1.0, 2.0], dtype=torch.float64)).sum()


def complex_views_of_a_buffer(x: Any) -> Any:
    y = torch.zeros(4, dtype=torch.complex128)
    re, im, conjugate = y.real, y.imag, y.conj()
    re.copy_(x)
    im[1:] += x[1:] * x[1:]
    pairs = zeros(2, 2)
    numbers = torch.view_as_complex(pairs)
    pairs.copy_(x.view(2, 2))
    return ((conjugate * y * y).imag * x).sum() + (conjugate.imag * re).sum() + (numbers * numbers).real.sum()


def axes_swapped_in_place(x: Any) -> Any:
    base = x.view(2, 2) * 2
    y = base[:, :]
    y.swapdims_(0, 1)
    y[0] += x[2:]
    row = base[0]
    base.t_()
    base[0] += 5
    wide = (x * x).as_strided_((2, 2), (1, 2))
    return (base * base * x.view(2, 2)).sum() + (row * x[:2]).sum() + (wide * y).sum()


def axes_of_a_buffer_swapped(x: Any) -> Any:
    y = zeros(2, 4)
    row = y[1]
    y[0] = x
    y.t_()
    y.unsqueeze_(0)
    y[0, :, 1] += x * x
    return (y * y).sum() + (row * x).sum()


def filled_diagonals(x: Any) -> Any:
    y = x[:, None] * x[None]
    torch.diagonal(y, 1)[:] = x[:3]
    y[1:].fill_diagonal_(2.0)
    return (y @ x * x).sum()


def overlapping_views_of_a_buffer(x: Any) -> Any:
    y = torch.ones(4, dtype=torch.float64)
    pairs, wide = y.unfold(0, 2, 1), y.expand(3, 4)
    y.mul_(x)
    return (pairs * pairs).sum() + (wide * wide * x).sum()


def clone_has_the_strides(x: Any) -> Any:
    y = (x * x).view(2, 2).t()
    z = y.clone()
    z.t().view(-1)[1].zero_()
    return (z * y).sum()


def detached_in_place(x: Any) -> Any:
    y = x * x
    v = y[1:]
    y.detach_()
    z = x * 3
    z.detach_()
    z.mul_(x)
    return (y * x).sum() + (v * x[1:]).sum() + (z * z).sum()


def a_detached_buffer(x: Any) -> Any:
    y, z = zeros(4), zeros(4)
    d, e = y.detach(), z.data
    y.copy_(x * x)
    e.copy_(x)
    return (d * x).sum() + (z * e).sum()


def rows_exchanged(x: Any) -> Any:
    y = x.view(2, 2) * x.view(2, 2)
    y[[0, 1]] = y[[1, 0]]
    y[0], y[1] = y[1].clone(), y[0].clone()
    y[:, [True, False]] += x[2:, None]
    return (y * y * x.view(2, 2)).sum()


def views_by_the_shape_of_another(x: Any) -> Any:
    y = x * x
    y.view_as(x).add_(1)
    part = y.expand_as(x * 2)
    part[1:] *= x[1:]
    y.view(2, 2).reshape_as(x.view(2, 2)).type_as(x)[0].mul_(x[2:])
    return (y * x).sum()


def data_set_to_itself(x: Any) -> Any:
    y = x * x
    row = y[1:]
    y.data = y.data
    row.data = row.detach().to(torch.float64)  # as module.to(dtype) does
    row *= x[1:]
    return (y * y).sum()


BOTH = [
    base_after_its_view, slices_of_slices, row_of_a_transpose, running_sum, contiguous_is_the_same, to_is_the_same,
    dropout_in_evaluation_is_the_same, detach_shares_its_memory, data_shares_its_memory, detached_sees_its_base,
    no_grad_writes, rows_of_a_buffer, view_of_a_buffer, buffer_after_its_view, constant_after_its_use, put_at_indices,
    put_by_a_mask, put_a_number_in_two_steps, part_of_a_clone_of_an_expanded_one, scattered, index_methods, triangle,
    refilled, drawn_anew, narrow_parts_that_overlap, complex_parts, view_before_exp, deepseek_keys, swin_bias,
    shape_in_place,
    views_of_views_in_a_loop, no_grad_parts, masked_and_put, reduced_into_a_view,
    data_has_a_memory_of_its_own, real_and_imaginary_parts, complex_views_of_a_buffer, axes_swapped_in_place,
    axes_of_a_buffer_swapped, filled_diagonals, overlapping_views_of_a_buffer, clone_has_the_strides,
    detached_in_place, a_detached_buffer, rows_exchanged, views_by_the_shape_of_another, data_set_to_itself,
]  # fmt: skip


@pytest.mark.parametrize("program", BOTH, ids=lambda each: each.__name__)
def test_programs_are_as_in_torch(program: Function, compare: Any) -> None:
    value, gradient = compare.torch(program)
    assert compare.nexnet(program) == (pytest.approx(value), pytest.approx(gradient))


# Programs that PyTorch refuses: what was saved is written into -------------------------------------------------------


def square_of_itself(x: Any) -> Any:
    y = x * x
    y += x
    y *= y
    return y.sum()


def after_a_save(x: Any) -> Any:
    y = x * x
    z = y * y
    y.add_(1)
    return z.sum() + y.sum()


def split_halves(x: Any) -> Any:
    y = x * 2
    a, b = y.chunk(2)
    a.mul_(b)
    return (y * y).sum()


def out_of_another(x: Any) -> Any:
    out = zeros(2, 4)
    torch.stack([x * x, x], out=out)
    out[:, ::2].mul_(3)
    return (out * out).sum()


def out_of_no_size(x: Any) -> Any:
    y = zeros(0)
    torch.mul(x, x, out=y)
    return (y * x).sum()


def rows_of_an_iterated_buffer(x: Any) -> Any:
    y = zeros(3, 4)
    for i, row in enumerate(y):
        row.add_(x * i)
    return (y * y).sum()


def copied_from_itself(x: Any) -> Any:
    y = x * 2
    y.copy_(y.flip(0) * y)
    return (y * x).sum()


def argument(x: Any) -> Any:
    x.mul_(2)
    return (x * x).sum()


def aliases_of_a_buffer(x: Any) -> Any:
    b = zeros(4)
    square, end = b.view(2, 2), b[1:]
    square.add_(x.view(2, 2))
    end.mul_(2)
    return (b * x).sum() + end.sum()


def out_of_views(x: Any) -> Any:
    y, ends = zeros(3, 4), torch.zeros(2, dtype=torch.int64)
    torch.mul(x, x, out=y[1])
    torch.where(x > 2.5, x * x, x, out=y[:, :][0])
    torch.max(y[:2].view(4, 2) * 2, 0, out=(y[2, :2], ends))
    torch.matmul(x.view(2, 2), x[:2], out=y[2, 2:])
    return (y * y).sum() + ends.sum()


def parts_of_every_split(x: Any) -> Any:
    y = (x * x).repeat(2).view(2, 4)
    a, b = torch.split(y, [1, 3], dim=1)
    b[0] += x[1:]
    for i, part in enumerate(y.view(-1).tensor_split((1, 3, 6))):
        part.mul_(i + 2)
    y.unflatten(1, (2, 2)).movedim(1, 0)[1, 0].sub_(x[:2])
    return (y * y).sum() + (a * x[0]).sum()


def eliminated(x: Any) -> Any:
    a = (x[:, None] * x[None] + 20 * torch.eye(4, dtype=torch.float64)).clone()
    for k in range(3):
        a[k + 1 :, k] = a[k + 1 :, k] / a[k, k].clone()
        a[k + 1 :, k + 1 :] = a[k + 1 :, k + 1 :] - torch.outer(a[k + 1 :, k].clone(), a[k, k + 1 :].clone())
    return a.diagonal().log().sum()


def rows_of_an_unbound_one(x: Any) -> Any:
    y = x.view(2, 2) * 3
    for row in y.unbind():
        row /= row.sum()
    y.T.add_(x.view(2, 2))
    return (y * y * y).sum()


def strides_of_its_own(x: Any) -> Any:
    y = x * 2
    y.as_strided((2,), (2,), 1).mul_(x[:2] * y[0])
    y.squeeze().view(2, 2).mT[0].exp_()
    return (y * y).sum()


OURS = [
    square_of_itself, after_a_save, split_halves, out_of_another, out_of_no_size, rows_of_an_iterated_buffer,
    copied_from_itself, argument, aliases_of_a_buffer, out_of_views, parts_of_every_split, eliminated,
    rows_of_an_unbound_one, strides_of_its_own,
]  # fmt: skip


@pytest.mark.parametrize("program", OURS, ids=lambda each: each.__name__)
def test_programs_that_torch_refuses_have_the_gradient_of_differences(program: Function, compare: Any) -> None:
    value, gradient = compare.nexnet(program)
    with torch.no_grad():
        assert value == pytest.approx(program(compare.x.clone()).item())
        differences = []
        for i in range(4):
            step = torch.zeros_like(compare.x)
            step[i] = 1e-5
            above, below = program(compare.x + step), program(compare.x - step)
            differences.append((above - below).item() / 2e-5)
    assert gradient == pytest.approx(differences, rel=1e-6, abs=1e-6)


def test_a_later_write_does_not_change_what_an_outer_tape_has_saved(compare: Any) -> None:
    program = nn.Module()
    program.forward = square_of_itself  # type: ignore[method-assign]
    x = nx.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    hessian = nx.hessian(lambda x: nx.functional_call(program, {}, (x,)))(x)
    assert hessian.data.diagonal().tolist() == pytest.approx([26, 74, 146])


@pytest.mark.parametrize("program", [slices_of_slices, filled_halves, detach_shares_its_memory, complex_parts])
def test_the_second_order_is_that_of_torch(program: Function, compare: Any) -> None:
    module = nn.Module()
    module.forward = program  # type: ignore[method-assign]
    x = nx.LiteTensor(compare.x.clone())
    wanted = torch.autograd.functional.hessian(program, compare.x.clone())
    torch.testing.assert_close(nx.hessian(lambda x: nx.functional_call(module, {}, (x,)))(x).data, wanted)


@pytest.mark.parametrize("program", [slices_of_slices, filled_halves, rows_of_a_buffer, aliases_of_a_buffer])
def test_a_vmap_writes_for_each_example(program: Function, compare: Any) -> None:
    module = nn.Module()
    module.forward = program  # type: ignore[method-assign]

    def loss(x: Any) -> Any:
        return nx.functional_call(module, {}, (x,))

    batch = nx.LiteTensor(torch.stack([compare.x, compare.x + 1, -compare.x]))
    found = nx.vmap(nx.grad(loss))(batch)
    for i in range(3):
        torch.testing.assert_close(found[i].data, nx.grad(loss)(batch[i]).data)


# Programs that are refused, with what says why ------------------------------------------------------------------------


def index_that_changes(x: Any) -> Any:
    index = torch.tensor([0, 3, 0, 0])
    y = x[index]
    index.fill_(2)
    return (y * x).sum()


def index_of_a_write_that_changes(x: Any) -> Any:
    index = torch.tensor([0, 3])
    y = x * 2
    y[index] = x[:2] * x[2:]
    index.fill_(1)
    return (y * y).sum()


def mask_by_keyword_that_changes(x: Any) -> Any:
    mask = x > 2
    y = torch.where(condition=mask, input=x, other=x * x)
    mask.fill_(True)
    return y.sum()


def detached_and_tracked(x: Any) -> Any:
    y = (x * x).detach()
    y.mul_(x)
    return (y * x).sum()


def view_of_detached_and_tracked(x: Any) -> Any:
    y = (x * x).detach()
    v = y[1:]
    y.mul_(x)
    return (v * x[1:]).sum()


def buffer_and_its_data_tracked(x: Any) -> Any:
    y = zeros(4)
    y.data.copy_(x)
    y.mul_(x)
    d = y.data
    d.mul_(x)
    return (d * y).sum()


def detached_in_place_beside_a_view(x: Any) -> Any:
    y = x * x
    v = y[1:]
    y.detach_()
    y.mul_(2)
    return (y * x).sum() + (v * x[1:]).sum()


def overlapping_parts(x: Any) -> Any:
    y = x * x
    y.unfold(0, 2, 1).mul_(2)
    return y.sum()


def overlapping_parts_of_a_buffer(x: Any) -> Any:
    y = torch.ones(4, dtype=torch.float64)
    y.unfold(0, 2, 1).mul_(x[:2])
    return y.sum()


def strides_of_a_view(x: Any) -> Any:
    y = x * 2
    y[1:].as_strided((2,), (1,), 0).mul_(5)
    return (y * y).sum()


def view_of_no_grad(x: Any) -> Any:
    y = x * x
    with torch.no_grad():
        v = y[1:]
    v.mul_(x[1:])
    return (y * x).sum()


def memory_of_numpy(x: Any) -> Any:
    y = torch.ones(4, dtype=torch.float64)
    array = y.numpy()
    y.mul_(x)
    return (y * float(array.sum())).sum()


def memory_handed_to_numpy(x: Any) -> Any:
    y = x * x
    array = y.detach().numpy()
    y.add_(1)
    return (y * float(array.sum())).sum()


def another_dtype(x: Any) -> Any:
    y = zeros(4)
    bits = y.view(torch.int64)
    y.copy_(x)
    return (y * bits.double()).sum()


def beyond_its_base(x: Any) -> Any:
    y = zeros(4)
    y[1:].detach().copy_(x[1:])
    return (y * x).sum()


def data_of_another_shape(x: Any) -> Any:
    y = x * x
    y.data = zeros(2)
    return y.sum()


def data_of_a_view(x: Any) -> Any:
    y = x * x
    y.data = x.detach()
    return (y * x).sum()


def set_to_another(x: Any) -> Any:
    return (x * 2).set_(zeros(4)).sum()


def buffer_set_to_another(x: Any) -> Any:
    return zeros(4).set_(x * 2).sum()


def part_of_a_complex_buffer(x: Any) -> Any:
    y = torch.zeros(4, dtype=torch.complex128)
    y.real = x
    return (y.real * x).sum()


REFUSED = {
    index_that_changes: "by the model, that a rule needs as it was",
    index_of_a_write_that_changes: "by the model, that a rule needs as it was",
    mask_by_keyword_that_changes: "by the model, that a rule needs as it was",
    detached_and_tracked: r"(?s)what .detach\(\) or .data gave, and is used.*rule: +mul_",
    view_of_detached_and_tracked: r"what .detach\(\) or .data gave, and is used",
    buffer_and_its_data_tracked: r"what .detach\(\) or .data gave, and is used",
    detached_in_place_beside_a_view: r"(?s)after x.detach_\(\), while it has views.*x = x.detach\(\).clone\(\)",
    overlapping_parts: r"(?s)several elements are one place in memory.*of shape \(3, 2\) and strides \(1, 1\)",
    overlapping_parts_of_a_buffer: "several elements are one place in memory",
    strides_of_a_view: "as_strided of a view, or of a tensor with gaps in memory",
    view_of_no_grad: r"made under torch.no_grad\(\) was written into outside of it",
    memory_of_numpy: "whose memory numpy, or another process, shares",
    memory_handed_to_numpy: "whose memory numpy shares",
    another_dtype: "a tensor of another dtype or extent shares",
    beyond_its_base: "a tensor of another dtype or extent shares",
    data_of_another_shape: r"(?s)another shape or dtype.*float64 of shape \(4,\)",
    data_of_a_view: r"x.data = v.detach\(\).clone\(\)",
    set_to_another: r"has no set_",
    buffer_set_to_another: r"x.copy_\(v\) for x.set_\(v\)",
    part_of_a_complex_buffer: r"x.real.copy_\(v\) for x.real = v",
}


@pytest.mark.parametrize("program", REFUSED, ids=lambda each: each.__name__)
def test_programs_are_refused_rather_than_silently_different(program: Function, compare: Any) -> None:
    with pytest.raises((nx.InputError, nx.MissingAttributeError), match=REFUSED[program]):
        compare.nexnet(program)


# Errors ---------------------------------------------------------------------------------------------------------------


def test_a_constant_that_a_rule_has_saved_can_not_be_written_into(compare: Any) -> None:
    def program(x: Any) -> Any:
        mask = torch.ones(4, dtype=torch.float64)
        y = x * mask
        mask.zero_()
        return y.sum()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        compare.torch(program)
    with pytest.raises(nx.InputError, match="a rule needs as it was"):
        compare.nexnet(program)


def test_a_constant_that_a_rule_has_saved_can_not_become_a_tracked_one(compare: Any) -> None:
    def program(x: Any) -> Any:
        b = torch.ones(4, dtype=torch.float64)
        y = x * b
        b.add_(x)
        return y.sum()

    with pytest.raises(nx.InputError, match=r"by add_, that a rule needs as it was"):
        compare.nexnet(program)


def test_an_expanded_tensor_can_not_be_written_into(compare: Any) -> None:
    with pytest.raises(nx.InputError, match="several elements are one place in memory"):
        compare.nexnet(lambda x: (x * 2).expand(2, 4).add_(1).sum())


def test_what_is_written_must_fit(compare: Any) -> None:
    with pytest.raises(nx.InputError, match="does not fit into the tensor"):
        compare.nexnet(lambda x: (x * 2)[:1].add_(x).sum())
    with pytest.raises(nx.InputError, match="can't be written into a tensor of this dtype"):
        compare.nexnet(lambda x: torch.zeros(4, dtype=torch.int64).add_(x).sum())


def test_a_write_that_is_not_followed_says_so(compare: Any) -> None:
    with pytest.raises(nx.InputError, match="in a way that nexnet does not follow"):
        compare.nexnet(lambda x: (x * 2).resize_(2).sum())


def test_outside_of_a_model_nothing_is_written() -> None:
    x = nx.tensor([1.0, 2.0])
    with pytest.raises(nx.InputError, match="nexnet is functional"):
        F.relu(x, inplace=True)
    with pytest.raises(nx.MissingAttributeError, match="would write into its storage"):
        x.add_(1)
