"""Writes half a reply to every open descriptor and leaves."""

for fd in range(3, 256):
    attempt(os.write, fd, frame('{"values":[[["json",2]]]}', b"[]")[:11])
os._exit(0)
