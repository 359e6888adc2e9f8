import os
import time


def work():
    time.sleep(0.5)
    return sorted(os.listdir("/dev"))
