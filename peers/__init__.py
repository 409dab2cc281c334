"""What other libraries test themselves with, put to nexnet.

PyTorch ships its databases of operators, of layers, and of the ``torch.autograd.Function``s that functorch is tested
with; HIPS autograd's tests are in its sdist. functorch's and JAX's own test files are in no package of the registry:
their repositories alone have them.
"""
