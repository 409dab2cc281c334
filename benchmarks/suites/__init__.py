"""The suites: each module gives its cases, nexnet beside its peers on the same data."""

from . import deep_mlp, engines, hvp, imports, maml, mlp_step, operator_chain, optimisers, tape_growth

__all__ = ["CASES"]

CASES = [
    case
    for suite in (mlp_step, operator_chain, maml, hvp, optimisers, engines, tape_growth, deep_mlp, imports)
    for case in suite.cases()
]
