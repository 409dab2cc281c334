"""Values that leave nexnet while they are being differentiated: a warning, an error, or printing, which is free."""

import logging
import math
import warnings

import numpy
import pytest

import nexnet as nx

READS = {
    "float": float,
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "complex": lambda x: complex(x).real,
    "math": math.sin,
    "fill": lambda x: numpy.zeros(2).fill(x),
    "percent": lambda x: float("%.9f" % x),  # noqa: UP031
}


def filled(x):
    array = numpy.zeros(2)
    array[0] = x
    return array[0]


@pytest.mark.parametrize("read", [*READS.values(), filled], ids=[*READS, "an array's element"])
def test_a_number_read_from_what_is_differentiated_is_said_to_be_a_constant(read):
    with pytest.warns(nx.ConstantWarning, match="is a constant to the gradient"):
        assert nx.grad(lambda x: (read(x), x * x)[1])(3.0).item() == 6
    read(nx.tensor(3.0))  # outside of a transform nothing is said
    assert nx.grad(lambda x: (read(nx.stop_gradient(x)), x * x)[1])(3.0).item() == 6


@pytest.mark.parametrize("transform", [nx.grad, nx.value_and_grad, lambda fn: lambda x: nx.hvp(fn, (x,), (x,))])
def test_a_loss_that_became_a_number_is_an_error(transform):
    with (
        pytest.warns(nx.ConstantWarning),
        pytest.raises(nx.TrackedTensorError, match="returned a Python number, made from a tensor that is being"),
    ):
        transform(lambda x: float(x) * 2)(3.0)
    assert nx.grad(lambda x: 2.0)(3.0).item() == 0  # it depends on nothing


def test_the_warning_comes_once_for_each_line_and_names_it():
    def fn(x):
        for _ in range(3):
            float(x)
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        nx.grad(fn)(3.0)
    assert [each.filename for each in caught] == [__file__]


def test_printing_logging_and_branching_are_free(caplog, capsys):
    def fn(x):
        print(x, f"{x:.2f}", str(x), repr(x))
        with caplog.at_level(logging.INFO):
            logging.getLogger().info("loss %.2f", x)
        return x * x if x > 0 and int(x) == 3 and bool(x) else x

    assert nx.grad(fn)(3.0).item() == 6
    assert "loss 3.00" in caplog.text
    assert "3.0" in capsys.readouterr().out
