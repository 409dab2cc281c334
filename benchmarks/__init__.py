"""How fast nexnet is, beside PyTorch: suites of small cases, and the MNIST experiment."""
