"""What one sandbox could tell another, as a program: run in both at once, ``send`` marks and ``receive`` looks.

A channel has four turns in each slot of time: the receiver gets ready, the sender marks (if the bit is 1), the receiver looks, the
sender clears.  What a wall refuses raises ``OSError`` and is a reading of 0.
"""

import contextlib
import time

import _counters
import _marks
from _channel import Channel

KINDS = [one for module in (_marks, _counters) for one in vars(module).values()]
CHANNELS = {one.__name__: one for one in KINDS if isinstance(one, type) and issubclass(one, Channel) and one is not Channel}


def until(moment):
    time.sleep(max(0.0, moment - time.time()))


def send(names, bits, began, step):
    for k, name in enumerate(names):
        channel = CHANNELS[name]()
        channel.step = step
        for n, bit in enumerate(bits[name]):
            at = began + (k * (len(bits[name]) + 1) + n) * step
            until(at + 0.25 * step)
            if bit:
                with contextlib.suppress(OSError):
                    channel.mark(n)
            until(at + 0.85 * step)
            with contextlib.suppress(OSError):
                channel.clear()
    return True


def receive(names, count, began, step):
    found = {}
    for k, name in enumerate(names):
        channel = CHANNELS[name]()
        readings = found[name] = []
        with contextlib.suppress(OSError, IndexError, AttributeError):
            channel.look(0)  # what grows is told by how much
        for n in range(count):
            at = began + (k * (count + 1) + n) * step
            until(at)
            with contextlib.suppress(OSError):
                channel.ready(n)
            until(at + 0.6 * step)
            try:
                readings.append(channel.look(n))
            except (OSError, IndexError, AttributeError):
                readings.append(0)
        with contextlib.suppress(OSError):
            channel.clear()
    return found
