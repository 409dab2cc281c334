"""Context follows the code: threads, generators and tasks are recorded, or refused; none loses a gradient silently."""

import asyncio
import contextvars
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nexnet as nx
from nexnet.engine import this_thread

HOME = str(Path(nx.__file__).parent)

ELSEWHERE = "computed with in another thread, whose work is not recorded"
LEFT_OPEN = "still open in code that is not at work"


def in_a_pool(fn):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(fn).result()


def in_a_thread(fn):
    found = []

    def run():
        try:
            found.append(fn())
        except nx.TrackedTensorError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def in_a_copied_context(fn):
    return in_a_pool(lambda: contextvars.copy_context().run(fn))


def in_asyncio(fn):
    return asyncio.run(asyncio.to_thread(fn))


@pytest.mark.parametrize("elsewhere", [in_a_pool, in_a_thread, in_a_copied_context, in_asyncio])
def test_work_in_another_thread_is_refused(elsewhere):
    with pytest.raises(nx.TrackedTensorError, match=ELSEWHERE):
        nx.grad(lambda x: elsewhere(lambda: x * x))(3.0)
    with pytest.raises(nx.TrackedTensorError, match=ELSEWHERE):
        nx.grad(lambda x: elsewhere(lambda: nx.grad(lambda y: y * x)(2.0)))(3.0)
    with pytest.raises(nx.TrackedTensorError, match=ELSEWHERE):
        nx.grad(lambda x: elsewhere(lambda: nx.exp(x)))(3.0)


@pytest.mark.parametrize("elsewhere", [in_a_pool, in_a_thread, in_asyncio])
def test_another_thread_has_its_own_gradients_and_constants(elsewhere):
    assert elsewhere(lambda: nx.grad(lambda x: x * x)(3.0)).item() == 6

    def fn(x):
        constant = nx.stop_gradient(x)
        return x * elsewhere(lambda: constant * constant)

    assert nx.grad(fn)(3.0).item() == 9


def batches():
    with nx.no_tape():
        for i in range(3):
            yield nx.tensor(float(i)) * 1.0


@nx.no_tape()
def decorated(x):
    for i in range(3):
        sent = yield x * i
        assert sent is None


def test_a_generator_that_yields_inside_of_no_tape_is_refused():
    with pytest.raises(nx.TrackedTensorError, match=LEFT_OPEN) as caught:
        nx.grad(lambda x: sum(x * x * each for each in batches()))(3.0)
    assert "batches yielded" in str(caught.value)
    assert nx.TapeContext.active() == ()
    assert nx.grad(lambda x: x * x)(3.0).item() == 6


def test_a_decorated_generator_computes_constants_and_its_consumer_is_recorded():
    assert nx.grad(lambda x: sum(x * each for each in decorated(x)))(3.0).item() == 3 * (0 + 1 + 2)


def test_a_generator_closed_late_takes_nobodys_tape_away():
    left = []

    def fn(x):
        left.append(batches())
        next(left[0])
        return nx.tensor(1.0)

    with pytest.raises(nx.TrackedTensorError, match=LEFT_OPEN):
        nx.grad(fn)(3.0)

    def closes(x):
        y = x * x
        left[0].close()
        return y * x

    assert nx.grad(closes)(3.0).item() == 27

    late = batches()
    next(late)  # outside of any transform: what it hides is nothing

    def closes_late(x):
        y = x * x
        late.close()
        return y * x

    assert nx.grad(closes_late)(3.0).item() == 27
    assert nx.TapeContext.active() == ()


def test_an_inner_gradient_is_not_taken_for_a_constant_by_a_block_that_was_left_open():
    kept = []

    def inner(y):
        kept.append(batches())
        next(kept[-1])
        return y.detach() * 0 + 1.0

    with pytest.raises(nx.TrackedTensorError, match=LEFT_OPEN):
        nx.grad(lambda x: x * nx.grad(inner)(x))(3.0)


def test_no_tape_by_way_of_other_context_managers():
    from contextlib import ExitStack, contextmanager

    @contextmanager
    def evaluating():
        with nx.no_tape():
            yield

    def fn(x):
        with evaluating(), ExitStack() as stack:
            c = x * x
            stack.enter_context(nx.no_tape())
            d = x * x
        return x * c * d

    assert nx.grad(fn)(2.0).item() == 16


def test_coroutines_and_asynchronous_generators_decorated():
    @nx.no_tape()
    async def constant(x):
        await asyncio.sleep(0)
        return x * x

    @nx.no_tape()
    async def stream(x):
        for i in range(3):
            await asyncio.sleep(0)
            yield x * i

    async def total(x):
        found = x * await constant(x)
        async for each in stream(x):
            found = found + x * each
        return found

    assert nx.grad(lambda x: asyncio.run(total(x)))(2.0).item() == 4 + 2 * 3


def test_tasks_with_a_tape_each_lose_no_nodes():
    async def task(x, tape):
        with nx.TapeContext.recording(tape):
            tape.watch(x)
            y = x * x
            await asyncio.sleep(0)
            y = y * x
            await asyncio.sleep(0)
            return y * x

    async def both():
        return await asyncio.gather(*[task(nx.tensor(2.0), tape) for tape in tapes])

    tapes = [nx.Tape(), nx.Tape(), nx.Tape()]
    asyncio.run(both())
    assert [len(tape) for tape in tapes] == [3, 3, 3]
    assert nx.TapeContext.active() == ()


def test_a_task_that_awaits_inside_of_no_tape_hides_nobodys_tape_silently():
    async def evaluates():
        with nx.no_tape():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def trains(x):
        await asyncio.sleep(0)
        return x * x

    async def both(x):
        return (await asyncio.gather(evaluates(), trains(x)))[1]

    with pytest.raises(nx.TrackedTensorError, match=LEFT_OPEN):
        nx.grad(lambda x: asyncio.run(both(x)))(3.0)
    assert nx.TapeContext.active() == ()


def test_blocks_that_close_in_another_order():
    first, second = nx.TapeContext.only([]), nx.TapeContext.only([])
    tape = nx.Tape()
    with nx.TapeContext.recording(tape):
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert nx.TapeContext.active() == ()
        second.__exit__(None, None, None)
        assert nx.TapeContext.active() == (tape,)


def lines_of_nexnet(fn, interrupt_at=-1):
    """Call it and give how many lines of nexnet's Python have run; at that of this number, interrupt it."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if event == "line" and frame.f_code.co_filename.startswith(HOME):
            count += 1
            if count == interrupt_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        fn()
    finally:
        sys.settrace(before)
    return count


def test_an_interrupt_at_any_line_leaves_no_tape():
    """As Ctrl-C may: Python sees to it between any two lines, also between a push and the block that pops."""

    def slopes():
        return nx.grad(lambda x: nx.grad(lambda y: x * y * y)(x))(3.0).item()

    expected = slopes()
    for at in itertools.count(1):  # not counted before: what is cached may be made anew, or no more
        try:
            lines_of_nexnet(slopes, at)
        except KeyboardInterrupt:
            pass
        else:
            break
        assert nx.TapeContext.active() == (), f"line {at} of those that run"
        assert not this_thread().inside_rule, "numbers would be refused to a user as they are to a rule"
        assert slopes() == expected
    assert at > 100


def test_what_is_no_tape_is_not_pushed():
    with pytest.raises(nx.InputError, match=r"only a tape records(.|\n)*TapeContext\n(.|\n)*int\n.*nexnet\.Tape\(\)"):
        nx.TapeContext.push(3)
    with pytest.raises(nx.InputError, match="only a tape records"), nx.TapeContext.recording(None):
        pass
    assert nx.TapeContext.active() == ()


@pytest.mark.parametrize("given", [[nx.LiteTensor(1.0)], nx.LiteTensor(1.0), 3], ids=["list", "tensor", "number"])
def test_a_new_tape_takes_no_tensors(given):
    with pytest.raises(
        nx.InputError, match=r"takes no tensors(.|\n)*" + type(given).__name__ + r"\n.*tape\.watch\(x\)"
    ):
        nx.Tape(given)
