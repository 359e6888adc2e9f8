"""Connects to the machine it runs on and to the world: TCP, UDP, a socket without a file, a name to look up."""

if attempt(socket.create_connection, ("127.0.0.1", PLAN["port"]), 1) is not None:
    reached("the network of this machine")
with socket.socket(socket.AF_UNIX) as there:
    if attempt(lambda: there.connect("\0" + WORD) or True):
        reached("a socket of this machine")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packet:
    if attempt(packet.sendto, WORD.encode(), ("198.51.100.1", 9)) is not None:  # an address that is nobody's
        reached("a network")
