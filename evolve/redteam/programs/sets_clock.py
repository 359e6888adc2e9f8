"""Sets the machine's clock.  The call asks for the power to and changes nothing."""

import ctypes
import platform

numbers = {"x86_64": 164, "aarch64": 170}  # settimeofday
number = numbers.get(platform.machine())
if number is not None and ctypes.CDLL(None, use_errno=True).syscall(number, None, None) == 0:
    reached("the machine's clock")
