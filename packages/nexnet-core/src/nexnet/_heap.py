"""Keeps the memory that a step frees for the next step.

glibc gives the free top of its heap back to the system as soon as that is 128 KB, and a backward loop frees what was
recorded in reverse order, from the top down. If nothing else happens to lie there, a long tape of small tensors hands
its pages back at every step and faults them in at the next: a chain of 400 operators on 16 KB then took 2.4 ms a step
and not 1.4, in one process of three. glibc raises that bound by itself, to twice the size of the largest block that
was mapped and freed (mallopt(3), M_MMAP_THRESHOLD). So there is one such block here, once; none of its pages is
touched. Whoever sets MALLOC_TRIM_THRESHOLD_ keeps that bound.
"""

import torch

LARGEST = 31 * 2**20  # bytes: glibc learns from blocks of up to 32 MB, with what it writes beside them

torch.empty(LARGEST, dtype=torch.uint8, device="cpu")
