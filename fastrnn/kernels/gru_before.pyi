from ._kernel import Kernel

kernel: Kernel
