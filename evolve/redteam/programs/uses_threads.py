"""Shares work among threads and waits for them."""

from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(2) as pool:
    assert list(pool.map(abs, (-1, 2))) == [1, 2]
