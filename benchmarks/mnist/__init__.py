"""The MNIST experiment: nexnet beside PyTorch, from the same weights, on the same batches. See README.md."""
