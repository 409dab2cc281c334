"""What the meta-learning examples compute, beside PyTorch and closed forms; test_documents runs them as they stand."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    """Import an example under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_double(model):
    return model.to(torch.float64)


def weights_of(model):
    return [weight.data.clone() for weight in model.parameters()]


def assert_close(got, expected, rtol=1e-9):
    torch.testing.assert_close(got.data, expected, rtol=rtol, atol=rtol * expected.abs().max().item())


@pytest.fixture(scope="module")
def maml():
    return example("maml_sinusoid")


class TestMAML:
    @pytest.mark.parametrize("method", ["maml_loss", "first_order_loss"])
    def test_training_is_torchs_weight_for_weight(self, maml, method):
        batches = [maml.draw_tasks(25, 10, torch.Generator().manual_seed(i)) for i in range(20)]
        batches = [[[part.double() for part in points] for points in batch] for batch in batches]
        generator = torch.Generator().manual_seed(0)
        start = nn.MLP([1, 40, 40, 1], nexnet.relu, generator=generator, dtype=torch.float64)
        theirs = maml.train_with_torch(start, batches, getattr(maml, method))
        mine = maml.train(start, batches, getattr(maml, method))
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert_close(a, b.data)

    def test_the_loop_over_tasks_gives_what_vmap_gives(self, maml):
        seen, judged = maml.draw_tasks(4, 5, torch.Generator().manual_seed(0))
        model = nn.MLP([1, 40, 40, 1], nexnet.relu, generator=torch.Generator().manual_seed(0))
        for method in (maml.maml_loss, maml.first_order_loss, maml.pretraining_loss):
            results = [nexnet.grad(maml.over_tasks(method, loop))(model, seen, judged) for loop in (False, True)]
            for a, b in zip(*(result.parameters() for result in results), strict=True):
                assert_close(a, b.data, rtol=1e-5)

    def test_tasks_are_the_papers(self, maml):
        (x, y), (x_judged, _) = maml.draw_tasks(5000, 3, torch.Generator().manual_seed(0))
        assert x.shape == y.shape == x_judged.shape == (5000, 3, 1)
        assert not torch.equal(x, x_judged)
        assert -5 <= x.min() < -4.99 < 4.99 < x.max() <= 5
        assert 4.9 < y.abs().max() <= 5
        at_zero = y[x.abs() < 0.01]  # amplitude x sin(phase), and the phase is between 0 and pi
        assert at_zero.min() > -0.05
        assert at_zero.max() > 3

    def test_a_task_that_diverged_is_counted_and_left_out(self, maml):
        curves = torch.tensor([[4.0, 1.0], [2.0, 3.0], [1.0, math.inf], [1.0, math.nan]])
        assert maml.diverged(curves).tolist() == [False, False, True, True]
        mean, half = maml.mean_and_interval(curves)
        assert mean.tolist() == [3.0, 2.0]
        assert half.tolist() == pytest.approx([1.96, 1.96])  # a standard deviation of sqrt(2), of two tasks

    def test_its_options(self, maml, tmp_path, capsys):
        plot = tmp_path / "curves.png"
        arguments = ["--iterations", "3", "--shots", "5", "20", "--training-shots", "4"]
        results = maml.main([*arguments, "--first-order", "--loop", "--no-torch", "--out", str(plot)])
        assert list(results) == [5, 20]
        for curves_of in results.values():
            assert list(curves_of) == ["first-order MAML", "pretrained"]
            assert {curves.shape for curves in curves_of.values()} == {(600, 11)}
        assert plot.read_bytes().startswith(b"\x89PNG")
        printed = capsys.readouterr().out
        assert "K = 5, 3 iterations" in printed
        assert "K = 20, 3 iterations" in printed
        assert maml.options([]).training_shots == 10
        assert maml.options(["--quick"]).iterations < maml.options([]).iterations == 70_000


class TestPerExampleGradients:
    def test_they_are_torchs(self):
        module = example("per_example_gradients")
        x, labels = module.two_moons(12, torch.Generator().manual_seed(0))
        x = x.double()
        model = nn.MLP([2, 8, 2], nexnet.tanh, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

        def loss(weights, x, label):
            hidden = torch.tanh(functional.linear(x, weights[0], weights[1]))
            return functional.cross_entropy(functional.linear(hidden, weights[2], weights[3]), label)

        weights = weights_of(model)
        expected = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, x, labels)
        for mine, theirs in zip(module.per_example_gradients(model, x, labels).parameters(), expected, strict=True):
            assert_close(mine, theirs)

    def test_no_example_moves_the_sum_by_more_than_the_clip(self, monkeypatch):
        module = example("per_example_gradients")
        monkeypatch.setattr(module, "NOISE", 0.0)
        monkeypatch.setattr(module, "CLIP", 0.1)
        x, labels = module.two_moons(8, torch.Generator().manual_seed(0))
        model = nn.MLP([2, 8, 2], nexnet.tanh, generator=torch.Generator().manual_seed(1))
        for i in range(8):
            grads, norms = module.private_gradient(model, x[i : i + 1], labels[i : i + 1], None)
            clipped = torch.cat([grad.data.flatten() for grad in grads.parameters()]).norm().item()
            assert clipped == pytest.approx(min(norms.item(), 0.1), rel=1e-5)


class TestInfluence:
    def test_it_is_what_torchs_hessian_gives(self):
        module = example("influence")
        x, y = module.draw(40, 6)
        (x_test, *_), (y_test, *_) = module.draw(3, 6, seed=1)
        optimum = module.fit(x, y)

        def example_loss(weights, x, y):
            return functional.softplus(-y * (x @ weights))

        def training_loss(weights):
            return example_loss(weights, x, y).mean() + module.DECAY / 2 * weights.square().sum()

        weights = optimum.data
        assert torch.func.grad(training_loss)(weights).norm() < 1e-9  # an optimum it is
        hessian = torch.func.jacrev(torch.func.grad(training_loss))(weights)
        slope = torch.func.grad(example_loss)(weights, x_test, y_test)
        slopes = torch.func.vmap(torch.func.grad(example_loss), in_dims=(None, 0, 0))(weights, x, y)
        expected = slopes @ torch.linalg.solve(hessian, slope) / len(x)
        assert_close(module.influence(optimum, x, y, x_test, y_test), expected, rtol=1e-8)

    def test_conjugate_gradients_solve(self):
        module = example("influence")
        root = torch.randn(7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        matrix, b = LiteTensor(root @ root.T + torch.eye(7)), LiteTensor(root[0])
        solved = module.conjugate_gradients(lambda v: matrix @ v, b)
        assert_close(solved, torch.linalg.solve(matrix.data, b.data), rtol=1e-8)


class TestLearningRate:
    def test_the_hypergradient_is_torchs(self):
        module = example("learning_rate_hypergradient")
        x, y, x_held, y_held = (each.double() for each in (module.x, module.y, module.x_held, module.y_held))
        module.x, module.y, module.x_held, module.y_held = x, y, x_held, y_held
        start = in_double(module.start)

        def loss(weights, x, y):
            hidden = torch.tanh(functional.linear(x, weights[0], weights[1]))
            return functional.mse_loss(functional.linear(hidden, weights[2], weights[3]), y)

        hyper = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (math.log(0.02), 0.6)]
        weights = [weight.requires_grad_() for weight in weights_of(start)]
        buffers = None
        for _ in range(100):
            slopes = torch.autograd.grad(loss(weights, x, y), weights, create_graph=True)
            if buffers is None:
                buffers = slopes
            else:
                buffers = [hyper[1] * b + slope for b, slope in zip(buffers, slopes, strict=True)]
            weights = [w - hyper[0].exp() * b for w, b in zip(weights, buffers, strict=True)]
        value = loss(weights, x_held, y_held)
        expected = torch.autograd.grad(value, hyper)

        log_lr, momentum = (LiteTensor(each.detach()) for each in hyper)
        function = nexnet.value_and_grad(lambda a, b: module.final_loss(a, b, 100, start), argnums=(0, 1))
        got, grads = function(log_lr, momentum)
        assert_close(got, value.detach())
        for mine, theirs in zip(grads, expected, strict=True):
            assert_close(mine, theirs)


class TestSpikingNeuron:
    def test_its_gradient_is_torchs_with_the_same_surrogate(self):
        module = example("spiking_neuron")

        class Spike(torch.autograd.Function):
            @staticmethod
            def forward(ctx, v):
                ctx.save_for_backward(v)
                return (v > 0).to(v.dtype)

            @staticmethod
            def backward(ctx, grad):
                (v,) = ctx.saved_tensors
                return grad / (1 + 5 * v.abs()) ** 2

        trains, labels = module.spike_trains(6, torch.Generator().manual_seed(0))
        trains = trains.double()
        network = module.make_network(torch.Generator().manual_seed(1), torch.float64)
        weights = [weight.requires_grad_() for weight in weights_of(network)]
        arriving = functional.linear(trains, weights[0], weights[1])
        v, fired = torch.zeros_like(arriving[0]), []
        for current in arriving:
            v = 0.9 * v + current
            fired.append(Spike.apply(v - 1.0))
            v = v - fired[-1]
        logits = functional.linear(torch.stack(fired), weights[2], weights[3]).mean(0)
        value = functional.cross_entropy(logits, labels)
        expected = torch.autograd.grad(value, weights)

        got, grads = nexnet.value_and_grad(module.loss)(network, trains, labels)
        assert 0.05 < torch.stack(fired).mean() < 0.95  # some fire, some do not
        assert_close(got, value.detach())
        for mine, theirs in zip(grads.parameters(), expected, strict=True):
            assert theirs.abs().max() > 0
            assert_close(mine, theirs)

    def test_only_the_time_of_spikes_tells_the_classes_apart(self):
        module = example("spiking_neuron")
        trains, labels = module.spike_trains(4000, torch.Generator().manual_seed(0))
        rates = trains.mean(0)  # of each input of each example
        apart = rates[labels == 0].mean(0) - rates[labels == 1].mean(0)
        assert apart.abs().max() < 0.01


class TestDeepEquilibrium:
    def test_its_gradient_is_torchs_by_the_implicit_function_theorem(self):
        module = example("deep_equilibrium")
        x, labels = module.rings(3, torch.Generator().manual_seed(0))
        x = x.double()
        model = module.make_model(torch.Generator().manual_seed(1), torch.float64)
        inner, *others = [weight.requires_grad_() for weight in weights_of(model)]

        def step(z):
            return torch.tanh(z @ (0.9 * inner / inner.norm()) + functional.linear(x, others[0], others[1]))

        with torch.no_grad():
            z = torch.zeros(3, module.HIDDEN, dtype=torch.float64)
            for _ in range(400):
                z = step(z)
        jacobian = torch.func.jacrev(lambda z: step(z).flatten())(z).detach().flatten(1)
        z = z.requires_grad_()
        value = functional.cross_entropy(functional.linear(z, others[2], others[3]), labels)
        by_z, *by_out = torch.autograd.grad(value, [z, others[2], others[3]])
        adjoint = torch.linalg.solve(torch.eye(z.numel()) - jacobian.T, by_z.flatten()).reshape(z.shape)
        expected = [*torch.autograd.grad(step(z.detach()), [inner, *others[:2]], adjoint), *by_out]

        got, grads = nexnet.value_and_grad(module.loss)(model, x, labels)
        assert_close(got, value.detach())
        for mine, theirs in zip(grads.parameters(), expected, strict=True):
            assert_close(mine, theirs, rtol=1e-8)

    def test_its_gradient_is_that_of_the_loop(self):
        module = example("deep_equilibrium")
        x, _ = module.rings(40, torch.Generator().manual_seed(0))  # 640 unknowns: the system is solved by iteration
        x = x.double()
        layer = module.make_model(torch.Generator().manual_seed(1), torch.float64).layer
        implicit = nexnet.grad(lambda layer: (layer(x) ** 2).sum())(layer)
        explicit = nexnet.grad(lambda layer: (module.unrolled(layer, x, 400) ** 2).sum())(layer)
        for mine, theirs in zip(implicit.parameters(), explicit.parameters(), strict=True):
            assert_close(mine, theirs.data, rtol=1e-8)
