from ._kernel import Kernel

tanh: Kernel
relu: Kernel
