"""Whether there is a GPU, without the seconds that it takes to load what would compute on it."""

import ctypes
import sys

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def driver_sees_gpu() -> bool:
    """Tell whether NVIDIA's driver is installed and sees a GPU; other makers are not asked.

    Source:
        NVIDIA, "CUDA Driver API": ``cuInit`` and ``cuDeviceGetCount`` return 0 on success.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    count = ctypes.c_int(0)
    succeeded = not driver.cuInit(0) and not driver.cuDeviceGetCount(ctypes.byref(count))
    return succeeded and count.value > 0
