"""Torch's models as functions of their parameters, without a change to their code."""
