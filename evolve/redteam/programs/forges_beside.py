"""Writes a reply of its own in front of the honest one."""

for fd in range(3, 256):
    attempt(os.set_blocking, fd, False)
    attempt(os.write, fd, frame('{"values":[[["json",2]]]}', b"[]"))
    attempt(os.set_blocking, fd, True)
