"""Model-agnostic meta-learning: learn where to start, by differentiating through gradient descent.

C. Finn, P. Abbeel, S. Levine, "Model-agnostic meta-learning for fast adaptation of deep networks" (2017), section 5.1:
each task is a sinusoid, of which K points are seen; from there a step of gradient descent has to fit the whole curve.
As in the paper, one model is trained with K = 10, and then adapted to 5, 10 and 20 points.

    python examples/maml_sinusoid.py                       the paper's 70,000 iterations
    python examples/maml_sinusoid.py --quick               less than a minute
"""

import argparse
import math

import matplotlib
import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

import nexnet
import nexnet_nn as nn
from nexnet_nn import meta

META_BATCH = 25
INNER = nn.SGD(lr=0.01)
SHOWN = (0, 1, 5, 10)  # steps of adaptation
DIVERGED = 100.0  # a mean squared error that a task may have: its amplitude is at most 5
PAPER = "2.8, 0.7 and 0.3 after 0, 1 and 4 steps; pretrained stays above 2 (figure 3, K = 5, read by eye)"


def draw_tasks(count, shots, generator):
    """Draw sinusoids of amplitude 0.1 to 5 and phase 0 to pi.

    Each task has K points to learn from and K to be judged by: ``(x, y), (x, y)``, all of shape (count, shots, 1).
    """
    amplitude = 0.1 + 4.9 * torch.rand(count, 1, 1, generator=generator)
    phase = math.pi * torch.rand(count, 1, 1, generator=generator)
    x = 10 * torch.rand(2, count, shots, 1, generator=generator) - 5
    y = amplitude * torch.sin(x + phase)
    return (x[0], y[0]), (x[1], y[1])


def loss(model, x, y):
    """Give the mean squared error."""
    return nn.mse_loss(model(x), y)


def maml_loss(model, seen, judged, first_order=False):
    """Give the loss on a task's judging points after one step on the points that are seen."""
    return loss(meta.adapt(loss, model, *seen, optimizer=INNER, first_order=first_order), *judged)


def first_order_loss(model, seen, judged):
    """Give the same, of which the gradient leaves out the second derivatives."""
    return maml_loss(model, seen, judged, first_order=True)


def pretraining_loss(model, seen, judged):
    """Give the loss without adaptation: this model learns the mean of all tasks."""
    return (loss(model, *seen) + loss(model, *judged)) / 2


def over_tasks(task_loss, loop=False):
    """Make the mean of a task's loss over a batch of tasks: by vmap at once, or one by one."""

    def mean_loss(model, seen, judged):
        if loop:
            each = zip(*(part.unbind() for part in (*seen, *judged)), strict=True)
            return sum(task_loss(model, (x, y), (u, v)) for x, y, u, v in each) / len(seen[0])
        return nexnet.vmap(task_loss, in_dims=(None, 0, 0))(model, seen, judged).mean()

    return mean_loss


def train(model, batches, task_loss, loop=False):
    """Meta-train by Adam on batches of tasks."""
    gradient = nexnet.value_and_grad(over_tasks(task_loss, loop))
    adam = nn.Adam(lr=1e-3)
    state = adam.init(model)
    for seen, judged in batches:
        _, grads = gradient(model, seen, judged)
        model, state = adam.update_(model, grads, state)
    return model


def train_with_torch(model, batches, task_loss):
    """Meta-train in torch.func from the same weights on the same tasks; the referee. Gives a nexnet model."""
    weights = [weight.data.clone() for weight in model.parameters()]

    def loss(weights, x, y):
        w1, b1, w2, b2, w3, b3 = weights
        hidden = torch.relu(torch.nn.functional.linear(x, w1, b1))
        hidden = torch.relu(torch.nn.functional.linear(hidden, w2, b2))
        return torch.nn.functional.mse_loss(torch.nn.functional.linear(hidden, w3, b3), y)

    def adapted_loss(weights, seen, judged):
        slopes = torch.func.grad(loss)(weights, *seen)
        if task_loss is first_order_loss:
            slopes = [slope.detach() for slope in slopes]
        return loss([w - INNER.lr * slope for w, slope in zip(weights, slopes, strict=True)], *judged)

    def mean_loss(weights, seen, judged):
        return torch.func.vmap(adapted_loss, in_dims=(None, 0, 0))(weights, seen, judged).mean()

    adam = torch.optim.Adam(weights, lr=1e-3)
    for seen, judged in batches:
        for weight, grad in zip(weights, torch.func.grad(mean_loss)(weights, seen, judged), strict=True):
            weight.grad = grad
        adam.step()
    ahead = iter(weights)
    return model.replace(
        layers=[each.replace(weight=nexnet.LiteTensor(next(ahead)), bias=nexnet.LiteTensor(next(ahead)))
                for each in model.layers]
    )  # fmt: skip


def adaptation_curves(model, tasks):
    """Give every task's loss after 0, 1 ... 10 steps of adaptation, of shape (tasks, 11)."""

    def curve(model, seen, judged):
        losses = [loss(model, *judged)]
        for _ in range(max(SHOWN)):
            model = meta.adapt(loss, model, *seen, optimizer=INNER)
            losses.append(loss(model, *judged))
        return nexnet.stack(losses)

    return nexnet.vmap(curve, in_dims=(None, 0, 0))(model, *tasks).data


def diverged(curves):
    """Say of each task whether descent has left it worse than any sinusoid deserves.

    Meta-training for one step raises the curvature until a step covers the whole distance: at the learned weights most
    tasks are beyond 2 / lr = 200, where gradient descent is stable. Of a thousand tasks about one does not come back.
    """
    return ~(curves.amax(1) < DIVERGED)


def mean_and_interval(curves):
    """Give the mean over the tasks that have not diverged, and the half width of its 95% confidence interval."""
    curves = curves[~diverged(curves)]
    return curves.mean(0), 1.96 * curves.std(0) / math.sqrt(len(curves))


def report(results, shots, iterations, console):
    """Print the losses of each method, adapted to so many points, with their intervals."""
    caption = PAPER if shots == 5 else None
    table = Table(title=f"K = {shots}, {iterations:,} iterations: MSE on 600 tasks, 95% interval", caption=caption)
    table.add_column("steps:")
    for step in SHOWN:
        table.add_column(str(step), justify="right", no_wrap=True)
    table.add_column("diverged", justify="right")
    for name, curves in results.items():
        mean, half = mean_and_interval(curves)
        table.add_row(
            name, *(f"{mean[step]:.2f} ± {half[step]:.2f}" for step in SHOWN), str(diverged(curves).sum().item())
        )
    console.print(table)


def plot(results, path):
    """Save the adaptation curves, a panel for each K."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = {"figsize": (1 + 4 * len(results), 4), "layout": "constrained"}
    figure, panels = pyplot.subplots(1, len(results), sharey=True, squeeze=False, **size)
    for axes, (shots, curves_of) in zip(panels[0], results.items(), strict=True):
        for name, curves in curves_of.items():
            mean, half = mean_and_interval(curves)
            axes.plot(mean, label=name, linestyle="--" if "torch" in name else "-")
            axes.fill_between(range(len(mean)), mean - half, mean + half, alpha=0.2)
        axes.set(xlabel="steps of adaptation", title=f"K = {shots}", ylim=(0, None))
    panels[0, 0].set_ylabel("mean squared error")
    panels[0, -1].legend()
    figure.savefig(path)
    pyplot.close(figure)


def options(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 20], help="points to adapt to, K")
    parser.add_argument("--training-shots", type=int, default=10, help="points per task in meta-training")
    parser.add_argument("--iterations", type=int, default=70_000, help="of meta-training")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the tasks")
    parser.add_argument("--first-order", action="store_true", help="leave out second-order MAML")
    parser.add_argument("--loop", action="store_true", help="go through the tasks in a Python loop instead of vmap")
    parser.add_argument("--no-torch", action="store_true", help="leave out the same training in torch.func")
    parser.add_argument("--out", default="maml_sinusoid.png", help="where the plot goes")
    parser.add_argument("--quick", action="store_true", help="only 300 iterations")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.iterations = 300
    return chosen


def main(arguments=None):
    """Train each method, and show how it adapts to new tasks."""
    chosen = options(arguments)
    torch.set_num_threads(1)  # the kernels are too small for more
    console = Console()
    held_out = {
        shots: draw_tasks(600, shots, torch.Generator().manual_seed(chosen.seed + 1_000_000)) for shots in chosen.shots
    }
    columns = ("{task.description}", MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    methods = {
        "first-order MAML": (train, first_order_loss),
        "pretrained": (train, pretraining_loss),
    }
    if not chosen.first_order:
        methods = {"MAML": (train, maml_loss), **methods}
    if not chosen.no_torch:
        name, (_, task_loss) = next(iter(methods.items()))
        methods[f"{name}, torch.func"] = (train_with_torch, task_loss)

    results = {shots: {} for shots in held_out}
    for name, (trainer, task_loss) in methods.items():
        # every method starts from the same weights, and sees the same tasks
        model = nn.MLP([1, 40, 40, 1], nexnet.relu, generator=torch.Generator().manual_seed(chosen.seed))
        generator = torch.Generator().manual_seed(chosen.seed + 1)
        with Progress(*columns, console=console) as progress:
            steps = progress.track(range(chosen.iterations), description=name)
            batches = (draw_tasks(META_BATCH, chosen.training_shots, generator) for _ in steps)
            model = trainer(model, batches, task_loss)
        for shots, tasks in held_out.items():
            results[shots][name] = adaptation_curves(model, tasks)
    for shots, curves_of in results.items():
        report(curves_of, shots, chosen.iterations, console)
    plot(results, chosen.out)
    console.print(f"the adaptation curves are in {chosen.out}")
    return results


if __name__ == "__main__":
    main()
