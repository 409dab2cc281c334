"""What other libraries test themselves with, put to nexnet: PyTorch's databases of operators and of layers."""
