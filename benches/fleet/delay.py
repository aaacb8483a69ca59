"""A delay line: a namespace `far` from which every packet to the fleet, and every answer, takes half a round trip.

Two tun devices and two pumps, since not every kernel has netem. Must only run inside a world.
"""
import fcntl
import os
import queue
import struct
import threading
import time

from world import enter, ip

FAR = "192.0.2.2"
_TUNSETIFF, _TUN_WITHOUT_HEADER = 0x400454CA, 0x1001


def _tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return device


class DelayLine:
    """The line; `round_trip` in seconds can be changed while nothing is under way."""

    def __init__(self):
        self.round_trip = 0.0
        ip(["netns add far"])
        near = _tun("tunB")
        found = []

        def open_far():
            enter("far")
            found.append(_tun("tunA"))
        # A thread has a namespace of its own.
        thread = threading.Thread(target=open_far)
        thread.start()
        thread.join()
        ip(["link set tunB up", f"route add {FAR}/32 dev tunB"])
        ip(["link set lo up", "link set tunA up", f"addr add {FAR}/32 dev tunA", "route add default dev tunA"], "-n", "far")
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
            file.write("1")
        for source, sink in ((found[0], near), (near, found[0])):
            line = queue.SimpleQueue()
            threading.Thread(target=self._take, args=(source, line), daemon=True).start()
            threading.Thread(target=self._give, args=(sink, line), daemon=True).start()

    def _take(self, source, line):
        while True:
            packet = os.read(source, 70000)
            line.put((time.monotonic() + self.round_trip / 2, packet))

    @staticmethod
    def _give(sink, line):
        while True:
            due, packet = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            os.write(sink, packet)


def from_far(command):
    """The command, run behind the line."""
    return ["nsenter", "--net=/run/netns/far", *command]


def slope(points):
    """Least squares through (round trip, wall): whole-program round trips, and what is left at none."""
    mean = [sum(column) / len(points) for column in zip(*points)]
    above = sum((x - mean[0]) * (y - mean[1]) for x, y in points)
    rise = above / sum((x - mean[0]) ** 2 for x, _ in points)
    return rise, mean[1] - rise * mean[0]


