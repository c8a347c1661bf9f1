from ._kernel import Kernel

kernel: Kernel
peephole: Kernel
coupled: Kernel
peephole_coupled: Kernel
projected: Kernel
