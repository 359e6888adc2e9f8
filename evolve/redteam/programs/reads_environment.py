"""Looks for keys in its environment, as it is now and as it was at the start."""

find_secret(os.fsencode("\n".join(f"{name}={value}" for name, value in os.environ.items())), "environment")
find_secret(read("/proc/self/environ"), "environment at the start")
