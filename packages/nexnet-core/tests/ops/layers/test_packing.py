"""Sequences of several lengths: torch.nn.utils.rnn, beside torch, and the errors."""

import pytest
import torch
from torch.nn.utils import rnn

import nexnet as nx
from nexnet.errors import InputError

LENGTHS = (2, 5, 3)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_padding(batch_first, padding_side, draw, check_against_torch):
    check_against_torch(
        *[lambda *each: rnn.pad_sequence(list(each), batch_first, 2.0, padding_side)] * 2,
        *[draw(length, 2) for length in LENGTHS],
    )


@pytest.mark.parametrize("batch_first", [False, True])
def test_there_and_back(batch_first, draw, check_against_torch):
    def through(padded):
        packed = rnn.pack_padded_sequence(padded, LENGTHS, batch_first, enforce_sorted=False)
        squared = rnn.PackedSequence(packed.data * packed.data, *packed[1:])
        return rnn.pad_packed_sequence(squared, batch_first, 2.0, total_length=6)[0]

    check_against_torch(through, through, draw(*((3, 5) if batch_first else (5, 3)), 2))


def test_lengths_and_batch_sizes_are_torchs_own(draw):
    sequences = [draw(length, 2) for length in LENGTHS]
    mine = rnn.pack_sequence([nx.LiteTensor(each) for each in sequences], enforce_sorted=False)
    theirs = rnn.pack_sequence(sequences, enforce_sorted=False)
    assert torch.equal(mine.batch_sizes, theirs.batch_sizes)
    assert torch.equal(rnn.pad_packed_sequence(mine)[1], rnn.pad_packed_sequence(theirs)[1])


def test_a_module_of_packed_sequences(draw):
    module = torch.nn.LSTM(2, 3, bidirectional=True, dtype=torch.float64).requires_grad_(False)
    sequences = [draw(length, 2) for length in LENGTHS]
    leaves = [each.clone().requires_grad_() for each in sequences]

    def loss(*sequences):
        out, (h, c) = module(rnn.pack_sequence(list(sequences), enforce_sorted=False))
        return (rnn.pad_packed_sequence(out)[0] ** 2).sum() + (h * c).sum()

    expected = torch.autograd.grad(loss(*leaves), leaves)
    got = nx.grad(loss, argnums=(0, 1, 2))(*map(nx.LiteTensor, sequences))
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.data, theirs)


@pytest.mark.parametrize("lengths", [(1, 2), (2, 0), (6, 1), (2,)], ids=str)
def test_lengths_that_are_none(lengths, draw):
    with pytest.raises(InputError, match="no lengths of the sequences"):
        rnn.pack_padded_sequence(nx.LiteTensor(draw(5, 2, 2)), list(lengths))
