"""MemoryBudget: what is kept at any time is within the budget, and is what saves the most time."""

import math
import threading
import time
from functools import partial

import pytest
import torch

import nexnet as nx

X = torch.linspace(0.1, 1, 1000)
MB = 1e-6 * X.nbytes  # of one tensor like it


def deep(x):
    """Two intermediates are kept: what exp gives, and what sin does."""
    return x.exp().sin().cos()


def cost(count, seconds, name=""):
    return nx.CheckpointCost(name, count * X.nbytes, seconds)


def answers(budget, costs):
    """Ask a budget about the costs of one step."""
    with nx.TapeContext.recording(nx.Tape()):
        return [budget(each) for each in costs]


def rules(fn, *args):
    return [node.name for node in nx.trace(fn)(*args)[1].nodes]


class TestChoice:
    def test_at_first_as_they_come_then_by_seconds_per_byte(self):
        budget = nx.MemoryBudget(4 * MB)
        costs = [cost(4, 1.0), cost(5, 9.0), cost(2, 1.0), cost(2, 2.0), cost(1, 0.1)]
        assert answers(budget, costs) == [True, False, True, True, True]  # no memory is behind them: each finds room
        assert answers(budget, costs) == [False, False, True, True, False]

    def test_what_the_step_before_has_not_seen_is_kept_where_there_is_room(self):
        budget = nx.MemoryBudget(4 * MB)
        answers(budget, [cost(4, 1.0)])
        assert answers(budget, [cost(4, 1.0), cost(4, 1.0), cost(5, 1.0)]) == [True, True, False]

    def test_each_step_learns_from_the_one_before(self):
        budget = nx.MemoryBudget(1 * MB)
        answers(budget, [cost(1, 1.0), cost(1, 2.0)])
        assert answers(budget, [cost(1, 2.0), cost(1, 1.0)]) == [False, True]
        assert answers(budget, [cost(1, 1.0), cost(1, 1.0)]) == [True, False]

    def test_in_a_training(self):
        """The slow block comes last: the first step keeps the one before it, the others keep the slow one."""
        budget = nx.MemoryBudget(2 * MB)

        def waits(x):
            time.sleep(0.01)
            return deep(x)

        quick, slow = nx.checkpoint(deep, policy=budget), nx.checkpoint(waits, policy=budget)
        steps = [rules(lambda x: slow(quick(x)), X) for _ in range(3)]
        assert steps == [["exp", "sin", "cos", "checkpoint"], *[["checkpoint", "exp", "sin", "cos"]] * 2]


class TestBudget:
    @pytest.mark.parametrize("megabytes", [-1, math.nan, "1", None, True])
    def test_what_is_no_budget_is_refused(self, megabytes):
        with pytest.raises(nx.InputError, match=r"a budget is a number of megabytes(.|\n)*0 or more"):
            nx.MemoryBudget(megabytes)

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 15, 16, math.inf])
    def test_is_kept_to_in_each_step(self, count):
        budget = nx.MemoryBudget(count * MB)
        block = nx.checkpoint(deep, policy=budget)
        for _ in range(3):
            _, pullback = nx.vjp(lambda x: block(block(block(block(block(block(block(block(x)))))))), X)
            assert budget.held == (16 if count == math.inf else count // 2 * 2) * X.nbytes
            pullback(X)
            del pullback
            assert budget.held == 0

    @pytest.mark.parametrize("count", [0, 2, 6, 9, math.inf])
    def test_the_peak_is_that_of_checkpoint_and_the_budget(self, count, live_bytes):
        """An unlimited budget has the plain function's peak, none has checkpoint's."""

        def peak(wrap):
            block = wrap(lambda x: deep(deep(deep(x))))

            def loss(x):
                for _ in range(12):
                    x = block(x)
                return x.sum()

            peaks = []
            for _ in range(3):
                with live_bytes() as memory:
                    nx.grad(loss)(X)
                peaks.append(memory.peak)
            return max(peaks)

        checkpoint = partial(nx.checkpoint, check=False)
        plain, dropped = peak(lambda fn: fn), peak(checkpoint)
        found = peak(partial(checkpoint, policy=nx.MemoryBudget(count * MB)))
        assert dropped < plain / 3
        assert found <= min(plain, dropped + count * X.nbytes)
        assert found == {0: dropped, math.inf: plain}.get(count, found)

    def test_what_earlier_evaluations_keep_counts(self):
        budget = nx.MemoryBudget(4 * MB)
        block = nx.checkpoint(deep, policy=budget)
        pullbacks = [nx.vjp(block, X)[1] for _ in range(3)]
        assert budget.held == 4 * X.nbytes
        pullbacks.pop(0)
        assert budget.held == 2 * X.nbytes
        pullbacks.append(nx.vjp(block, X)[1])
        assert budget.held == 4 * X.nbytes

    def test_of_one_function_and_another(self):
        budget = nx.MemoryBudget(3 * MB)
        first, second = nx.checkpoint(deep, policy=budget), nx.checkpoint(lambda x: x.tan().sinh(), policy=budget)
        assert rules(lambda x: second(first(x)), X) == ["exp", "sin", "cos", "tan", "sinh"]
        assert rules(lambda x: second(first(first(x))), X).count("checkpoint") == 1

    def test_says_what_it_is(self):
        assert repr(nx.MemoryBudget(1.5)) == "MemoryBudget(megabytes=1.5)"


class TestInsideOfOneAnother:
    def test_what_the_outer_one_drops_is_free_again(self):
        budget = nx.MemoryBudget(2 * MB)
        inner = nx.checkpoint(deep, policy=budget)
        outer = nx.checkpoint(lambda x: deep(inner(x)), policy=budget)  # of 5, which is too much
        _, pullback = nx.vjp(outer, X)
        assert budget.held == 0
        assert torch.equal(pullback(X)[0].data, nx.vjp(lambda x: deep(deep(x)), X)[1](X)[0].data)

    def test_what_both_keep_counts_once(self):
        budget = nx.MemoryBudget(5 * MB)
        inner = nx.checkpoint(deep, policy=budget)
        for _ in range(2):
            _, pullback = nx.vjp(nx.checkpoint(lambda x: deep(inner(x)), policy=budget), X)
            assert budget.held == 4 * X.nbytes
            del pullback
        assert budget.held == 0

    def test_what_is_run_again_is_kept_where_there_is_room(self, live_bytes):
        runs = []

        def counted(x):
            runs.append(0)
            return deep(x)

        def gradient(megabytes):
            runs.clear()
            inner = nx.checkpoint(counted, policy=nx.MemoryBudget(megabytes))
            nx.grad(lambda x: nx.checkpoint(lambda x: inner(inner(x)))(x).sum())(X)
            return len(runs)

        assert [gradient(count * MB) for count in (0, 2, 4)] == [6, 5, 4]

    def test_runs_in_backward_are_no_steps_of_their_own(self):
        """Between two forwards of one plan stands a backward, which asks about other costs."""
        budget = nx.MemoryBudget(1 * MB)
        answers(budget, [cost(1, 1.0), cost(1, 2.0)])
        again = nx.CheckpointCost("", X.nbytes, 5.0, inside=True)
        assert answers(budget, [again]) == [True]
        assert answers(budget, [cost(1, 1.0), cost(1, 2.0)]) == [False, True]


class TestOrders:
    def test_the_step_of_a_second_derivative_is_the_outer_evaluation(self):
        budget = nx.MemoryBudget(3 * MB)
        block = nx.checkpoint(deep, policy=budget)
        loss, plain = (lambda x: block(block(x)).sum()), (lambda x: deep(deep(x)).sum())
        for _ in range(2):
            found, expected = (nx.grad(lambda x, fn=fn: nx.grad(fn)(x).sum())(X) for fn in (loss, plain))
            assert torch.allclose(found.data, expected.data, rtol=1e-5)
            assert budget.held == 0

    def test_under_vmap_the_batch_counts(self):
        batch = torch.stack([X] * 3)
        for count, held in ((5, 0), (6, 6)):
            budget = nx.MemoryBudget(count * MB)
            _, pullback = nx.vjp(nx.vmap(nx.checkpoint(deep, policy=budget)), batch)
            assert budget.held == held * X.nbytes
            del pullback
            assert budget.held == 0


class TestThreads:
    def test_share_the_budget_and_have_steps_of_their_own(self):
        budget = nx.MemoryBudget(6 * MB)
        block = nx.checkpoint(deep, policy=budget)
        started, pullbacks, failures = threading.Barrier(4), [], []

        def work():
            try:
                started.wait()
                for _ in range(50):
                    pullback = nx.vjp(lambda x: block(block(x)), X)[1]
                    if budget.held > 6 * X.nbytes:
                        failures.append(budget.held)
                pullbacks.append(pullback)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert not failures
        assert budget.held <= 6 * X.nbytes
        pullbacks.clear()
        assert budget.held == 0
