"""The backward loop's fast forms: what it may add into, and the three backwards that it knows.

They serve where nothing else looks on: no outer tape, no vmap, no transform of torch's. What they write into are
tensors that the loop itself has made and nobody has seen (its sums, and products written over a gradient that only
passes through); a gradient that a rule returned may be a saved tensor, an input or a view, and is never written to.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from .direct import direct
from .fitting import fitted
from .key import Key
from .products import Product
from .rule import Node
from .tape import TapeBase, tracks

_plus, _minus, _times = direct(operator.add), direct(operator.sub), direct(operator.mul)
_negative = direct(torch.neg)
_add_into, _subtract_from, _multiply_into = direct(Tensor.add_), direct(Tensor.sub_), direct(Tensor.mul_)
_add_product, _add_product_into = direct(torch.addcmul), direct(Tensor.addcmul_)


class InPlace:
    """One backward loop's own memory.

    Attributes:
        token: marks the keys whose gradient this loop has made, and may add into.
        products: the keys of which a product of low rank is wanted as its factors, and these once they have come.
    """

    token: Any
    tape: TapeBase
    grads: dict[Any, Any]
    products: dict[Any, Any] | None

    def __init__(self, tape: TapeBase, grads: dict[Any, Any], products: dict[Any, Any] | None) -> None:
        self.token = object()
        self.tape = tape
        self.grads = grads
        self.products = products

    def goes_through(self, node: Node, grad: Any) -> bool:
        """Do the node's backward here, if it is one that the loop knows."""
        if node.multiplies:
            self._multiply(node, grad)
            return True
        if node.passes and (not node._saved or node._saved[0] == 1):
            self._pass_on(node, grad)
            return True
        return False

    def accumulate(self, key: Key, grad: Any, node: Node) -> None:
        """Take a gradient that a node's backward returned for a key."""
        total = self.grads.get(key)
        if type(grad) is Product:
            product: Product = grad
            if total is not None and (node.exact or product.suits(key)):
                if key.maker is self.token:
                    product.add_to(total)
                else:
                    self.grads[key] = product.plus(total)
                    key.maker = self.token
                return
            if self.products is not None and self._can_wait(product, node, key):
                self.products[key] = product
                return
            if total is None:
                key.maker = self.token
        grad = fitted(grad, node, key, False)
        if total is None:
            self.grads[key] = grad
        else:
            self._add(key, total, grad)

    def _add(self, key: Key, total: Any, grad: Any) -> None:
        """Add a gradient to the sum of those that have come to a key, in place once that is the loop's own."""
        if key.maker is self.token:
            _add_into(total, grad)
        else:
            self.grads[key] = _plus(total, grad)
            key.maker = self.token

    def _subtract(self, key: Key, total: Any, grad: Any) -> None:
        """Subtract a gradient from the sum of those that have come to a key, if any have."""
        if total is None:
            self.grads[key] = _negative(grad)
        elif key.maker is self.token:
            _subtract_from(total, grad)
        else:
            self.grads[key] = _minus(total, grad)
        key.maker = self.token

    def _can_wait(self, product: Product, node: Node, key: Key) -> bool:
        """Say whether a product may be left to who asked for the gradients: the first of its key, of low rank."""
        products = self.products
        return (
            node.exact and products is not None and key in products and products[key] is None and product.is_low_rank()
        )

    def _multiply(self, node: Node, grad: Any) -> None:
        """Do what ``times_saved`` does; the last product is written over a gradient that is the loop's own."""
        output: Key = node.output
        mine = output.maker is self.token
        last = -1
        for j in range(len(node.parents) - 1, -1, -1):
            key = node.parents[j]
            if key is not None and tracks(self.tape, key):
                last = j
        for j in range(len(node.parents) - 1, -1, -1):
            key = node.parents[j]
            factor = node._saved[j]
            if key is None or factor is None or not tracks(self.tape, key):
                continue
            total = self.grads.get(key)
            if total is None:
                self.grads[key] = _multiply_into(grad, factor) if mine and j == last else _times(grad, factor)
            elif type(factor) is not Tensor:
                self.grads[key] = total + grad * factor
            elif key.maker is self.token:
                _add_product_into(total, grad, factor)
            else:
                self.grads[key] = _add_product(total, grad, factor)
            key.maker = self.token

    def _pass_on(self, node: Node, grad: Any) -> None:
        """Do what ``passes_on`` or ``passes_less`` does; what was the loop's own remains so if one argument gets it."""
        output: Key = node.output
        mine = output.maker is self.token
        only: Key | None = None
        taken = 0
        for j in range(len(node.parents)):
            key = node.parents[j]
            if key is None or not tracks(self.tape, key):
                continue
            total = self.grads.get(key)
            if j == 1 and node.passes < 0:
                self._subtract(key, total, grad)
            elif total is None:
                self.grads[key] = grad
                only = key
                taken += 1
            else:
                self._add(key, total, grad)
        if only is not None and mine and taken == 1:
            only.maker = self.token
