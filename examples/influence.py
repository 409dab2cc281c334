"""Which training examples made this prediction? Influence functions, by Hessian-vector products.

P. W. Koh, P. Liang, "Understanding black-box predictions via influence functions" (2017). Leaving example i out of n
moves the optimum by H^-1 g_i / n, where H is the Hessian of the training loss and g_i the example's gradient; the test
loss so changes by about g_test^T H^-1 g_i / n. H itself, a row per parameter, is never built: conjugate gradients solve
with it by products alone.
"""

import torch

import nexnet

DECAY = 0.01
dtype = torch.float64


def example_loss(weights, x, y):
    """Give the logistic loss of one example or of several: x (..., features), y of -1 or 1."""
    return torch.nn.functional.softplus(-y * (x @ weights))


def training_loss(weights, x, y):
    """Give the mean loss, with an L2 penalty."""
    return example_loss(weights, x, y).mean() + DECAY / 2 * (weights * weights).sum()


def conjugate_gradients(product, b, tolerance=1e-10):
    """Solve A x = b, where ``product(v)`` is A v, with A symmetric and positive (Hestenes and Stiefel, 1952)."""
    x = torch.zeros_like(b)
    direction = residual = b
    square = (residual * residual).sum()
    for _ in range(10 * len(b)):
        if square.sqrt() <= tolerance * (b * b).sum().sqrt():
            break
        along = product(direction)
        step = square / (direction * along).sum()
        x, residual = x + step * direction, residual - step * along
        before, square = square, (residual * residual).sum()
        direction = residual + square / before * direction
    return x


def fit(x, y):
    """Find the optimal weights by Newton's method, each step of it by conjugate gradients."""
    weights = nexnet.zeros(x.shape[1], dtype=dtype)
    for _ in range(10):
        slope = nexnet.grad(training_loss)(weights, x, y)
        weights = weights - conjugate_gradients(lambda v, at=weights: hessian_product(at, x, y, v), slope)
    return weights


def hessian_product(weights, x, y, vector):
    """Give H v for the training loss."""
    return nexnet.hvp(lambda weights: training_loss(weights, x, y), (weights,), (vector,))[1][0]


def influence(weights, x, y, x_test, y_test):
    """Give, for each training example, how the test example's loss would change without it: (examples,)."""
    slope = nexnet.grad(example_loss)(weights, x_test, y_test)
    solved = conjugate_gradients(lambda v: hessian_product(weights, x, y, v), slope)
    slopes = nexnet.vmap(nexnet.grad(example_loss), in_dims=(None, 0, 0))(weights, x, y)
    return slopes @ solved / len(x)


def draw(count=80, features=10, seed=0):
    """Draw two classes that overlap: x (count, features), y of -1 or 1."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 2, (count,), generator=generator).to(dtype) * 2 - 1
    return torch.randn(count, features, generator=generator, dtype=dtype) + 0.4 * y[:, None], y


def leave_one_out(x, y, x_test, y_test, i):
    """Train again without an example, and give the change of the test example's loss."""
    keep = torch.arange(len(x)) != i
    return example_loss(fit(x[keep], y[keep]), x_test, y_test) - example_loss(fit(x, y), x_test, y_test)


def main():
    """Estimate the influence of all examples, and train again without the strongest ones."""
    x, y = draw()
    (x_test, *_), (y_test, *_) = draw(seed=1)
    estimates = influence(fit(x, y), x, y, x_test, y_test).data
    strongest = estimates.abs().argsort(descending=True)[:8].tolist()
    print("example  estimated   trained again without it")
    pairs = [(estimates[i].item(), leave_one_out(x, y, x_test, y_test, i).item()) for i in strongest]
    for i, (estimate, truth) in zip(strongest, pairs, strict=True):
        print(f"{i:7d}  {estimate:+.5f}    {truth:+.5f}")
    correlation = torch.corrcoef(torch.tensor(pairs).T)[0, 1].item()
    print(f"correlation {correlation:.3f}")
    assert correlation > 0.95


if __name__ == "__main__":
    main()
