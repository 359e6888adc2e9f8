"""The modified due date over the weight (Kanet and Li 2004), returned as an array."""

import numpy as np


def sequence(jobs):
    length, weight, due = np.array(jobs).T
    left, order, now = np.arange(len(jobs)), [], 0
    while len(left):
        first = left[np.argmin(np.maximum(due[left] - now, length[left]) / weight[left])]
        order.append(first)
        now += length[first]
        left = left[left != first]
    return np.array(order).tolist()
