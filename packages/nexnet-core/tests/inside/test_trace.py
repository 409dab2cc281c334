"""What a trace keeps of each operation, and how it is asked for."""

import linecache
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import nexnet as nx
from nexnet.errors import InputError

HERE = Path(__file__).name


def network(params, x):
    hidden = torch.relu(x @ params["first.weight"])
    return (hidden @ params["second.weight"]).square().mean(dim=0).sum()


def parameters(dtype=torch.float32):
    made = torch.Generator().manual_seed(1)
    return {
        "first.weight": torch.randn(3, 4, generator=made, dtype=dtype),
        "second.weight": torch.randn(4, 2, generator=made, dtype=dtype),
    }


def traced(**options):
    return nx.trace(network, **options)(parameters(), torch.ones(5, 3))


class TestOneOperation:
    def test_has_its_rule_inputs_shape_and_static_arguments(self):
        _, tape = traced()
        assert [each.rule for each in tape] == ["matmul", "relu", "matmul", "square", "mean", "sum"]
        assert [each.called() for each in tape][:2] == ["matmul(x, first.weight)", "relu(%0)"]
        assert tape[4].static == {"dim": 0}
        assert (tape[0].shape, tape[0].dtype, tape[0].device) == ((5, 4), torch.float32, "cpu")

    def test_has_the_users_line(self):
        _, tape = traced()
        source = tape["%1"].source
        assert Path(source.file).name == HERE
        assert source.function == "network"
        assert source.code == 'hidden = torch.relu(x @ params["first.weight"])'
        assert linecache.getline(source.file, source.line).strip() == source.code

    def test_says_what_came_by_keyword(self):
        _, tape = nx.trace(lambda x: x.sum(0, dtype=torch.float64))(torch.ones(2))
        assert tape[0].static == {"dim": 0, "dtype": torch.float64}

    def test_says_whether_it_is_a_view(self):
        _, tape = nx.trace(lambda x: x.reshape(4).sin())(torch.ones(2, 2))
        assert [each.is_view for each in tape] == [True, False]

    def test_says_what_it_adds_to_the_memory_of_the_tape_and_counts_nothing_twice(self):
        _, tape = nx.trace(lambda x: nx.sin(x.exp() * 2.8125).exp().sum())(torch.ones(100))
        kept = {each.rule: each.kept for each in tape}
        assert tape[0].kept == 400  # exp keeps its output, mul by a number nothing that is new
        assert kept["mul"] == 0
        assert kept["sin"] == 400  # its input
        assert kept["sum"] == 0
        assert tape.kept == 1200

    def test_says_of_a_constant_what_it_was_cut_from(self):
        _, tape = nx.trace(lambda x: (nx.stop_gradient(x.sin()) * x).sum())(torch.ones(3))
        cut = tape[1].inputs[0]
        assert (cut.kind, cut.origin, cut.name) == ("cut", "%0", "stop_gradient(%0)")

    def test_calls_the_parameters_and_buffers_of_a_module_by_their_names_where_they_are_constants(self):
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
        params = nx.parameters_of(model)
        _, tape = nx.trace(lambda x: nx.functional_call(model, params, (x,)))(torch.ones(3, 2))
        names = [[(each.name, each.kind) for each in operation.inputs][1:] for operation in tape]
        assert names[0] == [("0.weight", "constant"), ("0.bias", "constant")]
        statistics = [("1.running_mean", "constant"), ("1.running_var", "constant")]
        assert names[1] == [("1.weight", "constant"), ("1.bias", "constant"), *statistics]

    def test_has_statistics(self):
        _, tape = nx.trace(lambda x: x / 2)(torch.tensor([0.0, 2.0, float("nan"), float("inf")]))
        found = tape[0].statistics
        assert (found.min, found.max, found.mean, found.norm) == (0.0, 1.0, 0.5, 1.0)
        assert (found.count, found.zeros, found.nans, found.infinities) == (4, 1, 1, 1)
        assert not found.is_finite
        assert "1 NaN, 1 infinite, 1 zero" in str(found)

    def test_is_had_by_number_and_several_by_a_slice(self):
        _, tape = nx.trace(lambda x: (x * 2.0).sin().sum())(nx.ones(3))
        assert [each.label for each in tape[-2:]] == ["%1", "%2"]
        assert tape[0].rule == "mul"

    def test_prints(self):
        _, tape = traced(gradients=True)
        text = repr(tape[4])
        assert text.startswith("%4 = mean(%3, dim=0)\n  shape:     (2,), float32, cpu\n")
        assert f"{HERE}:" in text
        assert "gradient:  1 to 1" in text


class TestGradients:
    def test_are_kept_of_every_intermediate_and_input(self):
        params, x = parameters(), torch.ones(5, 3)
        _, tape = traced(gradients=True)
        torchs = {name: each.clone().requires_grad_() for name, each in params.items()}
        intermediates = [x @ torchs["first.weight"]]
        intermediates.append(torch.relu(intermediates[0]))
        intermediates.append(intermediates[1] @ torchs["second.weight"])
        loss = intermediates[2].square().mean(0).sum()
        found = torch.autograd.grad(loss, [*intermediates, *torchs.values()])
        for label, each in zip(["%0", "%1", "%2", *torchs], found, strict=True):
            torch.testing.assert_close(tape.gradients[label], each)

    def test_are_those_of_value_and_grad(self):
        value, tape = traced(gradients=True)
        again, grads = nx.value_and_grad(network)(parameters(), torch.ones(5, 3))
        assert value.item() == again.item()
        torch.testing.assert_close(tape["first.weight"].gradient, grads["first.weight"].data)

    def test_come_with_what_each_rule_returned(self):
        _, tape = nx.trace(lambda x, y: x * y + x, gradients=True)(2.0, 5.0)
        assert [each.item() for each in tape[0].returned] == [5.0, 2.0]
        assert tape["x"].gradient.item() == 6.0

    def test_are_not_there_where_nothing_depends_on_the_inputs(self):
        _, tape = nx.trace(lambda x: nx.stop_gradient(x), gradients=True)(1.0)
        assert tape.gradients == {}

    def test_complex_ones_come_out(self):
        z = torch.tensor([1 + 2j, 3 - 1j])
        _, tape = nx.trace(lambda z: (z * z.conj()).real.sum(), gradients=True)(z)
        torch.testing.assert_close(tape["z"].gradient, 2 * z)
        assert tape["z"].gradient_statistics.max == pytest.approx(2 * abs(3 - 1j))


class TestNesting:
    def test_a_vmap_shows_what_was_done_inside(self):
        _, tape = nx.trace(lambda x, w: nx.vmap(lambda row: (row * w).sin().sum())(x).sum())(
            torch.ones(4, 2), torch.ones(2)
        )
        assert [each.rule for each in tape] == ["vmap", "sum"]
        assert [each.called() for each in tape[0].body] == ["mul(x, w)", "sin(%0/0)", "sum(%0/1)"]
        assert tape[0].body[0].shape == (2,)
        assert tape["%0/1"].value.shape == (4, 2)  # of all examples, the batch in front

    def test_a_checkpoint_shows_it_and_keeps_nothing_of_it(self):
        _, tape = nx.trace(lambda x: nx.checkpoint(lambda a: a.exp().cos())(x).sum(), values=False)(torch.ones(100))
        assert [each.rule for each in tape[0].body] == ["exp", "cos"]
        assert tape.kept == 0

    def test_a_custom_root_shows_its_residual(self):
        def newton(residual, x):
            for _ in range(20):
                x = x - residual(x) / nx.grad(residual)(x)
            return x

        sqrt = nx.custom_root(lambda x, a: x * x - a, newton)
        _, tape = nx.trace(lambda a: sqrt(1.0, a), gradients=True)(4.0)
        assert [each.rule for each in tape] == ["custom_root"]
        assert [each.rule for each in tape[0].body] == ["sub"]
        assert tape["a"].gradient.item() == pytest.approx(0.25)

    def test_a_gradient_links_its_operations_to_those_that_they_belong_to(self):
        _, tape = nx.trace(nx.grad(lambda x: (x * x).sin().sum()))(torch.ones(2))
        rules = {each.label: each.rule for each in tape}
        linked = [(each.rule, rules[each.forward]) for each in tape if each.forward]
        assert linked == [("cos", "sin"), ("mul", "sin"), ("mul", "mul"), ("mul", "mul")]

    def test_a_gradient_inside_of_vmap_does_so_too_and_has_the_lines_and_modules_of_the_forward(self):
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
        params = nx.parameters_of(model)

        def loss(row):
            return nx.functional_call(model, params, (row,)).sum()

        _, tape = nx.trace(lambda x: nx.vmap(nx.grad(loss))(x))(torch.ones(4, 1, 2))
        known = {each.label: each for each in tape[0].body}
        linked = [each for each in tape[0].body if each.forward]
        assert [(each.rule, known[each.forward].rule) for each in linked] == [
            ("tanh_backward", "tanh"),
            ("linear_backward", "linear"),
        ]
        assert [(each.module, each.module_type) for each in linked] == [("1", "Tanh"), ("0", "Linear")]
        assert all(each.source == known[each.forward].source for each in linked)

    def test_users_rules_are_shown_as_they_are(self):
        @nx.function
        class tripled(nx.Policy):
            def forward(self, x, times: int = 3):
                return x * times

            def backward(self, grad):
                return grad * 3

        _, tape = nx.trace(lambda x: tripled(x), gradients=True)(torch.ones(2))
        assert tape[0].called() == "tripled(x)"
        assert tape[0].policy is tripled.policy
        assert tape["x"].gradient.tolist() == [3.0, 3.0]


class TestAccess:
    def test_by_number_label_and_name(self):
        _, tape = traced()
        assert tape[1] is tape["%1"]
        assert tape[-1].rule == "sum"
        assert tape["first.weight"].rule == "input"
        assert tape["relu"] is tape[1]  # the only one

    def test_by_pattern_rule_line(self):
        _, tape = traced()
        assert [each.label for each in tape.find(rule="mat*")] == ["%0", "%2"]
        assert [each.label for each in tape.find("*.weight")] == ["first.weight", "second.weight"]
        assert [each.label for each in tape.find(line="*relu*")] == ["%0", "%1"]
        line = tape[1].source.line
        assert [each.label for each in tape.find(line=f"{HERE}:{line}", rule="relu")] == ["%1"]
        assert [each.label for each in tape.find(line=line, rule="relu")] == ["%1"]

    def test_inputs_and_users(self):
        _, tape = traced()
        assert [each.label for each in tape.inputs_of("%0")] == ["x", "first.weight"]
        assert [each.label for each in tape.users_of("%1")] == ["%2"]

    def test_what_is_not_there_is_an_error_that_lists_what_is(self):
        _, tape = traced()
        with pytest.raises(InputError, match=r"no operation or input of this name(.|\n)*first.weight"):
            tape["third.weight"]
        with pytest.raises(InputError, match=r"fits several(.|\n)*%0, %2"):
            tape["matmul"]

    def test_two_arguments_with_one_path_have_the_arguments_name_before_it(self):
        def fn(old, new, pair):
            return (old["w"] * new["w"] + pair[0] * pair[1]).sum()

        _, tape = nx.trace(fn)({"w": torch.ones(2)}, {"w": torch.ones(2)}, (torch.ones(2), torch.ones(2)))
        assert [each.label for each in tape.leaves] == ["old.w", "new.w", "pair.0", "pair.1"]

    def test_outputs(self):
        _, tape = nx.trace(lambda x: (x * 2, x.sin(), nx.ones(2)))(torch.ones(2))
        assert tape.outputs == ["%0", "%1", "·"]


class TestCosts:
    def test_flops_of_products_are_torchs(self):
        params, x = parameters(), torch.ones(5, 3)
        _, tape = traced()
        torchs = {name: each.requires_grad_() for name, each in params.items()}
        with FlopCounterMode(display=False) as counter:
            loss = network(torchs, x.requires_grad_())
            forward = counter.get_total_flops()
            loss.backward()
        assert tape.flops(products=True) == (forward, counter.get_total_flops() - forward)
        assert tape.flops()[0] > forward

    def test_flops_of_convolutions_and_attention_are_torchs(self):
        def fn(image, kernel, q):
            seen = torch.nn.functional.conv2d(image, kernel, stride=2, groups=2)
            return seen.sum() + torch.nn.functional.scaled_dot_product_attention(q, q, q).sum()

        arguments = torch.ones(2, 4, 9, 9), torch.ones(6, 2, 3, 3), torch.ones(2, 3, 5, 8)
        _, tape = nx.trace(fn)(*arguments)
        with FlopCounterMode(display=False) as counter:
            fn(*arguments)
        by_hand = 2 * 2 * (2 * 3 * 5 * 5 * 8)  # two products, of 2 x 3 heads: 5 x 5 pairs, 8 features
        conv = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
        assert tape.flops(products=True)[0] == conv + by_hand

    @pytest.mark.parametrize(
        ("fn", "shapes"),
        [
            pytest.param(torch.nn.functional.linear, [(4, 5, 6), (7, 6), (7,)], id="linear"),
            pytest.param(torch.nn.functional.conv2d, [(2, 4, 9, 9), (6, 4, 3, 3), (6,)], id="convolution"),
            pytest.param(torch.nn.functional.conv_transpose2d, [(2, 4, 5, 5), (4, 6, 3, 3)], id="transposed"),
            pytest.param(torch.matmul, [(2, 3, 4), (4, 5)], id="matmul"),
            pytest.param(torch.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)], id="baddbmm"),
            pytest.param(lambda a, b: torch.tensordot(a, b, dims=1), [(3, 4), (4, 5)], id="tensordot"),
            pytest.param(lambda a, b: torch.einsum("bij,bjk->bik", a, b), [(2, 3, 4), (2, 4, 5)], id="einsum"),
        ],
    )
    def test_flops_of_a_gradient_that_is_traced_are_those_of_both_ways(self, fn, shapes):
        arguments = [torch.ones(shape) for shape in shapes]
        _, tape = nx.trace(lambda *args: fn(*args).sum(), values=False)(*arguments)
        gradient = nx.grad(lambda *args: fn(*args).sum(), argnums=tuple(range(len(arguments))))
        _, both = nx.trace(gradient, values=False)(*arguments)
        with FlopCounterMode(display=False) as counter:
            fn(*[each.requires_grad_() for each in arguments]).sum().backward()
        assert sum(tape.flops(products=True)) == both.flops(products=True)[0] == counter.get_total_flops()

    def test_flops_of_a_recurrent_layer_are_torchs(self):
        layer, x = torch.nn.GRU(4, 5), torch.ones(3, 2, 4)
        _, tape = nx.trace(lambda params: nx.functional_call(layer, params, (x,))[0].sum())(nx.parameters_of(layer))
        with FlopCounterMode(display=False) as counter:
            out = layer(x)[0].sum()
            forward = counter.get_total_flops()
            out.backward()
        assert tape.flops(products=True) == (forward, counter.get_total_flops() - forward)

    def test_without_values_no_value_is_kept(self):
        _, tape = traced(values=False)
        assert not any(each.values for each in tape)
        assert tape[0].statistics is None

    def test_a_models_call_is_over_when_it_is_over(self, monkeypatch):
        left_over = []  # modules are gone through for what they hold, where a call of theirs lives on
        monkeypatch.setattr("nexnet.modules.calling.clean", left_over.extend)
        block = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(3, 1)))
        nx.trace(lambda params: nx.functional_call(block, params, torch.ones(2, 3)))(nx.parameters_of(block))
        assert left_over == []

    def test_records_are_plain(self):
        _, tape = traced(gradients=True)
        (record,) = [each for each in tape.to_records() if each["rule"] == "mean"]
        assert record["static"] == "dim=0"
        assert record["gradient_norm"] == pytest.approx(2**0.5)
        assert all(type(each) in (str, int, float, bool, type(None)) for each in record.values())


class TestTerminal:
    def test_a_table_has_the_columns_that_are_asked_for(self):
        console = pytest.importorskip("rich.console").Console(width=60, record=True)
        _, tape = traced()
        console.print(tape.table("call", "kept"))
        assert "relu(%0)" in console.export_text()

    def test_a_column_that_is_not_there_is_an_error(self):
        pytest.importorskip("rich")
        _, tape = traced(values=False)
        with pytest.raises(InputError, match=r"no such column(.|\n)*value_norm"):
            tape.table("value_norm")


class TestNotebook:
    def test_a_tensor_shows_its_statistics_and_a_heat_map(self):
        shown = nx.ones(3, 40)._repr_html_()
        assert "LiteTensor (3, 40), float32, cpu" in shown
        assert shown.count("<rect") == 3 * 14  # 40 columns, in blocks of three


class TestFiles:
    def test_a_trace_comes_back_as_it_was(self, tmp_path):
        pytest.importorskip("safetensors")
        _, tape = traced(gradients=True)
        tape.save(tmp_path / "trace.json")
        again = nx.inside.Trace.load(tmp_path / "trace.json")
        assert repr(again) == "<nexnet Trace: 6 operations>"
        assert [repr(each) for each in (*again.leaves, *again)] == [repr(each) for each in (*tape.leaves, *tape)]
        assert again.outputs == tape.outputs
        assert not again.diff(tape)
        assert str(again) == str(tape)

    def test_a_trace_that_was_loaded_prints_the_table_that_a_fresh_one_does(self, tmp_path):
        pytest.importorskip("safetensors")

        def fn(x):
            moved = x.reshape(2, -1).permute((1, 0)).to(torch.float64)[0, 0:2000000000:100000, None]
            first, last = nx.split(moved.sum(dim=(0,), keepdim=True).expand(2, 2), 1)
            return nx.einsum("ij,ij->i", first, last).to(torch.float32, memory_format=torch.preserve_format)

        _, tape = nx.trace(fn, values=False)(torch.ones(4))
        for _ in range(2):  # a trace that was loaded is saved again
            tape.save(tmp_path / "trace.json")
            again = nx.inside.Trace.load(tmp_path / "trace.json")
            assert again.rows() == tape.rows()
            assert str(again) == str(tape)
            assert "index.1=<slice>" in str(again)
            assert "dims=(1, 0)" in str(again)
            tape = again

    def test_another_file_is_refused(self, tmp_path):
        (tmp_path / "other.json").write_text("{}")
        with pytest.raises(InputError, match="no trace that was saved"):
            nx.inside.Trace.load(tmp_path / "other.json")


class TestDiff:
    def test_names_where_two_runs_first_part_ways(self):
        def other(params, x):
            hidden = torch.relu(x @ params["first.weight"]) + 0.5
            return (hidden @ params["second.weight"]).square().mean(dim=0).sum()

        _, one = traced(gradients=True)
        _, two = nx.trace(other, gradients=True)(parameters(), torch.ones(5, 3))
        found = one.diff(two)
        assert found.first.what == "missing"
        assert found.first.theirs.rule == "add"
        assert "part ways at %2 add: only in the other trace" in str(found)

    def test_of_dtypes_says_by_how_much(self):
        _, one = traced()
        _, two = nx.trace(network)(parameters(torch.float64), torch.ones(5, 3, dtype=torch.float64))
        found = one.diff(two, rtol=0, atol=0)
        assert 0 < max(each.error for each in found) < 1e-4
        assert not one.diff(two, rtol=1e-4, atol=1e-5)

    def test_needs_values(self):
        _, one = traced(values=False)
        with pytest.raises(InputError, match="compared by their values"):
            one.diff(one)
        with pytest.raises(InputError, match=r"compared with another one(.|\n)*got: +tuple"):
            one.diff(traced())
