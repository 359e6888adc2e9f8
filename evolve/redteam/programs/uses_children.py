"""Starts a child, waits for it, and uses what it says."""

import subprocess

said = subprocess.run([sys.executable, "-I", "-S", "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
assert said.stdout.strip() == "42"
