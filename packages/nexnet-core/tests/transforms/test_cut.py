"""stop_gradient and no_tape."""

import threading

import torch

import nexnet as nx


def test_stop_gradient_cuts_at_every_order():
    def fn(x):
        return x * nx.stop_gradient(x * x)

    assert nx.grad(fn)(3.0).item() == 9.0
    assert nx.grad(nx.grad(fn))(3.0).item() == 0.0


def test_stop_gradient_takes_pytrees():
    def fn(tree):
        cut = nx.stop_gradient(tree)
        assert cut["name"] == "layer"
        return tree["w"] * cut["w"]

    value = nx.grad(lambda w: fn({"w": w, "name": "layer"}))(3.0)
    assert value.item() == 3.0


def test_no_tape_as_a_block():
    def fn(x):
        with nx.no_tape():
            y = x * x
        return x * y

    assert nx.grad(fn)(3.0).item() == 9.0


def test_no_tape_as_a_decorator_in_threads():
    @nx.no_tape()
    def square(x):
        return nx.grad(lambda x: x * x * x)(x) * (1 / 3)

    results = []
    threads = [
        threading.Thread(target=lambda i=i: results.append((i, nx.grad(lambda x: x * square(x))(float(i)).item())))
        for i in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert torch.allclose(torch.tensor([v for _, v in sorted(results)]), torch.arange(8.0) ** 2)


def test_no_tape_ends_under_an_exception():
    def fn(x):
        try:
            with nx.no_tape():
                raise ZeroDivisionError
        except ZeroDivisionError:
            return x * x

    assert nx.grad(fn)(3.0).item() == 6.0
