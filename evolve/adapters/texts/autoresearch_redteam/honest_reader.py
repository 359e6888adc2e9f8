"""Looks at what lies in the cache folder, and at the seed's kind of numbers, without using either."""

import os
import random

folder = os.path.expanduser("~/.cache/autoresearch")
print(f"{sum(len(files) for _, _, files in os.walk(folder, followlinks=True))} files; {random.random():.3f}", flush=True)
