"""What the examples of replaced rules compute, beside the formulas that were published; test_documents runs them."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    """Import an example under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad.clamp(min=0) * (x > 0)


def test_guided_backpropagation_is_that_of_a_model_rewritten_for_it():
    guided = example("guided_backpropagation")
    network = example("layerwise_relevance").convolutional().double()
    rewritten = copy.deepcopy(network)
    rewritten[1].forward = rewritten[3].relu.forward = Guided.apply
    image = torch.randn(3, 16, 16, dtype=torch.float64)
    leaf = image.clone().requires_grad_()
    (expected,) = torch.autograd.grad(rewritten(leaf[None])[0, 2], leaf)
    torch.testing.assert_close(guided.saliency(network, image, 2), expected)


# Layer-wise relevance -----------------------------------------------------------------------------------------------


def explicit(name, x, w, r):
    """R_j of a layer without bias from its R_k, as the rule's authors write it; w is (out, in)."""
    z = x * w  # z[k, j] = x_j w_kj
    if name == "epsilon":
        total = z.sum(1)
        return (z * (r / (total + 1e-6 * torch.where(total >= 0, 1.0, -1.0)))[:, None]).sum(0)
    if name == "gamma":
        raised = x * (w + 0.25 * w.clamp(min=0))
        return (raised * (r / raised.sum(1))[:, None]).sum(0)
    alpha, beta = {"z_plus": (1.0, 0.0), "alpha_beta": (2.0, 1.0)}[name]
    plus, minus = z.clamp(min=0), z.clamp(max=0)
    share = alpha * plus / plus.sum(1, keepdim=True) - beta * minus / minus.sum(1, keepdim=True)
    return (share * r[:, None]).sum(0)


@pytest.mark.parametrize("name", ["epsilon", "gamma", "z_plus", "alpha_beta"])
def test_relevance_is_that_of_the_published_formulas_layer_by_layer(name):
    lrp = example("layerwise_relevance")
    conv, linear = nn.Conv2d(2, 3, 3, bias=False).double(), nn.Linear(12, 4, bias=False).double()
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), linear)
    x = torch.randn(2, 4, 4, dtype=torch.float64)
    make = getattr(lrp, name)
    value, found = lrp.relevance(model, x, 1, {F.conv2d: make(F.conv2d), F.linear: make(F.linear)})

    dense = torch.func.jacrev(lambda x: conv(x[None]).flatten())(x).reshape(12, -1).detach()
    hidden = (dense @ x.flatten()).clamp(min=0)
    score = torch.zeros(4, dtype=torch.float64)
    score[1] = value
    inner = explicit(name, hidden, linear.weight.detach(), score)
    torch.testing.assert_close(found.flatten(), explicit(name, x.flatten(), dense, inner))


@pytest.mark.parametrize("name", ["epsilon", "gamma", "z_plus", "alpha_beta"])
def test_relevance_is_conserved_in_a_convolutional_network(name):
    lrp = example("layerwise_relevance")
    make = getattr(lrp, name)
    rules = {F.conv2d: make(F.conv2d), F.linear: make(F.linear), F.batch_norm: lrp.passed_on(F.batch_norm)}
    network = lrp.convolutional().double()
    value, found = lrp.relevance(network, torch.rand(3, 16, 16, dtype=torch.float64), 1, rules)
    assert found.sum().item() == pytest.approx(value.item(), rel=1e-4)
    assert network(torch.zeros(1, 3, 16, 16, dtype=torch.float64)).requires_grad  # it is as it was


def test_a_rule_for_each_part_of_a_network():
    lrp = example("layerwise_relevance")
    network, image = lrp.convolutional().double(), torch.rand(3, 16, 16, dtype=torch.float64)
    passing = {F.batch_norm: lrp.passed_on(F.batch_norm)}
    parts = {"0": {F.conv2d: lrp.z_plus(F.conv2d)}, "3": {F.conv2d: lrp.gamma(F.conv2d), **passing},
             nn.Linear: {F.linear: lrp.epsilon(F.linear)}}  # fmt: skip
    value, found = lrp.relevance(network, image, 1, parts)
    assert found.sum().item() == pytest.approx(value.item(), rel=1e-4)
    everywhere = {F.conv2d: lrp.gamma(F.conv2d), F.linear: lrp.epsilon(F.linear), **passing}
    assert not torch.allclose(found, lrp.relevance(network, image, 1, everywhere)[1])


def test_relevance_in_a_transformer_is_conserved_and_that_of_a_model_with_constants():
    lrp = example("layerwise_relevance")
    model, x = lrp.Transformer().double(), torch.randn(5, 8, dtype=torch.float64)
    value, found = lrp.relevance(model, x, 1, {F.linear: lrp.epsilon(F.linear, 0.0), **lrp.TRANSFORMER})
    assert found.sum().item() == pytest.approx(value.item(), rel=1e-6)

    def normed(x, layer):  # A. Ali et al. (2022): gradient times input, where these are detached
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt().detach() * layer.weight

    def forward(x):
        q, k, v = model.qkv(normed(x, model.ln1)).chunk(3, -1)
        x = x + model.proj(torch.softmax(q @ k.mT / 8**0.5, -1).detach() @ v)
        hidden = model.up(normed(x, model.ln2))
        return model.head((x + model.down(hidden * (F.gelu(hidden) / hidden).detach())).mean(1))

    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(forward(leaf[None])[0, 1], leaf)
    torch.testing.assert_close(found, expected * x)


# The others ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_deeplift_multipliers_are_differences_over_differences(activation):
    deeplift = example("deeplift")
    fn = getattr(torch, activation)
    first, second = nn.Linear(4, 8).double(), nn.Linear(8, 1).double()
    model = nn.Sequential(first, {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}[activation](), second)
    x, reference = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    key = F.relu if activation == "relu" else fn
    found = deeplift.contributions(model, x, reference, {key: deeplift.RULES[key]})
    with torch.no_grad():
        z, z0 = first(x), first(reference)
        multipliers = second.weight * (fn(z) - fn(z0)) / (z - z0)
        expected = (x - reference) * (multipliers @ first.weight)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(found.sum(1, keepdim=True), model(x) - model(reference))


def test_deeplift_where_input_and_reference_are_one_is_the_gradient():
    deeplift = example("deeplift")
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    rule = nexnet.function(deeplift.RULES[torch.tanh])
    slope = nexnet.grad(lambda x: rule(nexnet.cat((x, x)))[:1].sum())(x)
    torch.testing.assert_close(slope.data, 1 - x.tanh() ** 2, rtol=1e-7, atol=1e-7)


def test_quantised_training_has_the_gradients_at_the_quantised_weights():
    quantised = example("quantised_training")
    model, x = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double(), torch.randn(5, 2).double()
    with nexnet.override({F.linear: quantised.quantised_linear}):
        found = nexnet.grad(lambda p: nexnet.functional_call(model, p, (x,)).square().sum())(
            nexnet.parameters_of(model)
        )

    def ste(x):
        scale = x.detach().abs().max() / 7 + 1e-12
        return x + ((x / scale).round() * scale - x).detach()

    first, _, second = model
    hidden = F.linear(ste(x), ste(first.weight), first.bias).tanh()
    F.linear(ste(hidden), ste(second.weight), second.bias).square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].data, parameter.grad)
    levels = quantised.quantised(nexnet.LiteTensor(first.weight.detach())).data / first.weight.abs().max() * 7
    torch.testing.assert_close(levels, levels.round())


def test_routed_gradients_are_those_of_masked_units():
    routing = example("gradient_routing")
    first, second = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Linear(8, 1)
    model, x, y = nn.Sequential(first, second).double(), torch.randn(6, 3).double(), torch.randn(6, 1).double()
    mask = (torch.rand(6, 8) < 0.5).double()
    found = routing.gradients(model, x, y, mask, "0")
    hidden = first(x)
    F.mse_loss(second(mask * hidden + (1 - mask) * hidden.detach()), y).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].data, parameter.grad)
