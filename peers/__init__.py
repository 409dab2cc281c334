"""What other libraries test themselves with, put to nexnet: PyTorch's operator database."""
