"""Tries every way out of a network namespace that an unprivileged process has. Arguments: a port, then addresses.

Prints one line for each way by which a TCP connection came about, and for each kind of socket that it was given and must not have.
Datagrams are sent and not waited for: whoever owns the addresses counts what arrives.
"""
import socket
import struct
import sys

PORT, ADDRESSES = int(sys.argv[1]), sys.argv[2:]
DEVICES = [name for _, name in socket.if_nameindex()]
SO_BINDTODEVICE, IP_PKTINFO, IP_UNICAST_IF, SO_DONTROUTE, IP_OPTIONS = 25, 8, 50, 5, 4


def bound(device):
    return lambda s: s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode())


def unicast_if(device):
    index = socket.if_nametoindex(device)
    return lambda s: s.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, struct.pack("!I", index))


def source_route(address):
    hop = socket.inet_aton(address)
    return lambda s: s.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, b"\x83\x07\x04" + hop + b"\x00")


WAYS = {"plain": lambda s: None, "no route": lambda s: s.setsockopt(socket.SOL_SOCKET, SO_DONTROUTE, 1)}
for name in DEVICES:
    WAYS["bound to " + name] = bound(name)
    WAYS["index of " + name] = unicast_if(name)
for address in ADDRESSES:
    WAYS["routed by " + address] = source_route(address)

for address in ADDRESSES:
    for way, prepare in WAYS.items():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(0.3)
        try:
            prepare(s)
            s.connect((address, PORT))
            print("connected", address, way, flush=True)
        except OSError:
            pass
        s.close()

        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            prepare(s)
            s.sendto(b"plain", (address, PORT))
        except OSError:
            pass
        s.close()

    for name in DEVICES:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        index = socket.if_nametoindex(name)
        for option in (struct.pack("I4s4s", index, b"\0" * 4, b"\0" * 4), struct.pack("I4s4s", index, socket.inet_aton(address), b"\0" * 4)):
            try:
                s.sendmsg([b"pktinfo"], [(socket.IPPROTO_IP, IP_PKTINFO, option)], 0, (address, PORT))
            except OSError:
                pass
        try:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index))
            s.sendto(b"multicast", ("224.0.0.1", PORT))
            s.sendto(b"broadcast", ("255.255.255.255", PORT))
        except OSError:
            pass
        s.close()

FORBIDDEN = {
    "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    "raw udp": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP),
    "raw icmpv6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)),
}
for name, kind in FORBIDDEN.items():
    try:
        socket.socket(*kind).close()
        print("given", name, flush=True)
    except OSError:
        pass

for name in DEVICES:
    for address in ("ff02::1", "fe80::1"):
        try:
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.sendto(b"ipv6", (address, PORT, 0, socket.if_nametoindex(name)))
            if name != "lo":
                print("sent", address, name, flush=True)
        except OSError:
            pass
print("tried", len(ADDRESSES) * len(WAYS), flush=True)
