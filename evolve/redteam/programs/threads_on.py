"""Leaves threads that write to every descriptor, and a forged reply with them, while and after it answers."""

import threading

forged = frame('{"values":[[["json",2]]]}', b"[]")


def write_on():
    while True:
        time.sleep(0.2)
        for fd in range(3, 32):
            attempt(os.write, fd, forged)


for _ in range(3):
    threading.Thread(target=write_on, daemon=True).start()
