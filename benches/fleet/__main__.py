"""Whole-program benchmark against real sshd: what a client costs beyond what the hosts themselves need.

    python3 benches/fleet                       jobs T and J, clients in turn, medians and ratios of one run
    python3 benches/fleet --round-trips         one host behind a delay line
    python3 benches/fleet --memory 5000         many names over a small fleet, resident memory

Needs root, Linux, sshd, ip, unshare, nsenter. Everything lives in namespaces of its own and dies with them.
"""
import argparse
import os
import statistics
import subprocess
import sys
import threading
import time

import clients
import delay
from world import HOME, Fleet, World

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORES = len(os.sched_getaffinity(0))
INSIDE = "EGRESSCTL_BENCH_INSIDE"


def inside():
    """Begins again as process 1 of new namespaces."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


class Peak(threading.Thread):
    """The largest resident set of a process, in bytes. (What wait4 tells begins with that of whoever forked it.)"""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.path, self.size, self.over = f"/proc/{process}/status", 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            try:
                with open(self.path, encoding="ascii") as file:
                    found = [line.split()[1] for line in file if line.startswith("VmHWM")]
            except OSError:
                return
            self.size = max([self.size, *(int(size) * 1024 for size in found)])


def execute(client, command):
    """Runs a command: wall and CPU in seconds, largest resident set of its first process in bytes."""
    environment = {**os.environ, **client.environment, "HOME": HOME, "XDG_STATE_HOME": HOME}
    with open(f"{HOME}/said", "wb") as said:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=client.folder, env=environment)
        peak = Peak(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
    peak.over.set()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        with open(f"{HOME}/said", encoding="utf-8", errors="replace") as said:
            sys.exit(f"{client.name} ended with {child.returncode}:\n{said.read()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, peak.size


def idle(world):
    """CPU seconds that a fleet takes to start and stop."""
    return statistics.median(Fleet(world).stop() for _ in range(2))


def measure(world, client, job, at_rest):
    """One run of one job by one client, on a fleet that has seen nothing yet."""
    fleet = Fleet(world)
    wall, cpu, memory = execute(client, client.jobs[job])
    # First, since a fleet that has ended takes its files with it.
    bad = world.unfinished() if job == "J" else []
    spent = fleet.stop() - at_rest
    if job == "J":
        world.forget()
    if bad:
        sys.exit(f"{client.name} left job J undone on {len(bad)} hosts, {bad[:3]}")
    return wall, cpu, memory, spent


def race(options, world, contenders):
    """All clients in turn, as often as asked, on the same fleet."""
    at_rest = idle(world)
    count = len(world.hosts)
    for job in options.jobs.split(","):
        takers = [client for client in contenders if job in client.jobs and client.most_hosts >= count]
        rows = {client.name: [] for client in takers}
        for turn in range(options.runs):
            for client in takers[turn % len(takers):] + takers[:turn % len(takers)]:
                rows[client.name].append(measure(world, client, job, at_rest))
        print(f"\n## {job}, {count} hosts, {CORES} cores, medians of {options.runs}\n")
        print("| client | CPU ms per host | of ours | wall / floor | sshd CPU ms per host | resident MB, first process |")
        print("|---|---|---|---|---|---|")
        ours = statistics.median(row[1] for row in rows[takers[0].name])
        for name, measured in rows.items():
            cpu = statistics.median(row[1] for row in measured)
            floor = statistics.median(row[0] / (row[3] / CORES) for row in measured)
            memory = statistics.median(row[2] for row in measured) / 1e6
            spent = statistics.median(row[3] for row in measured)
            print(f"| {name} | {1e3 * cpu / count:.2f} | {cpu / ours:.1f} | {floor:.2f} | {1e3 * spent / count:.1f} | {memory:.1f} |",
                  flush=True)


def round_trips(options, world, contenders):
    """How many round trips a whole program takes, by the growth of its wall time with the length of the line."""
    Fleet(world)
    line = delay.DelayLine()
    print(f"\n## Round trips, one host, medians of {options.runs}\n")
    print("| client | job | growth of wall per round trip | wall at 100 ms, in round trips |\n|---|---|---|---|")
    for job in options.jobs.split(","):
        for client in contenders:
            if job not in client.jobs:
                continue
            points = []
            for line.round_trip in (0.0, 0.1, 0.2):
                walls = [execute(client, delay.from_far(client.jobs[job]))[0] for _ in range(options.runs)]
                points.append((line.round_trip, statistics.median(walls)))
            growth, _ = delay.slope(points)
            print(f"| {client.name} | {job} | {growth:.1f} | {points[1][1] / 0.1:.1f} |", flush=True)


def memory(options, world):
    """Resident memory and CPU over many names."""
    at_rest = idle(world)
    print(f"\n## Memory, job T, {CORES} cores, {len(world.hosts)} sshd under many names\n")
    print("| hosts | forks | largest resident set MB | CPU ms per host | wall / floor |\n|---|---|---|---|---|")
    for names, forks in ((options.memory // 25, 64), (options.memory, 500)):
        client = clients.egressctl(world, options.binary, names, forks)
        wall, cpu, resident, spent = measure(world, client, "T", at_rest)
        print(f"| {names} | {forks} | {resident / 1e6:.1f} | {1e3 * cpu / names:.2f} | {wall / (spent / CORES):.2f} |", flush=True)


def main():
    """Reads the options and does what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=f"{ROOT}/target/release/egressctl")
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--forks", type=int, default=64)
    parser.add_argument("--jobs", default="T,J")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--round-trips", action="store_true")
    parser.add_argument("--memory", type=int, metavar="NAMES")
    parser.add_argument("--peers", default=os.environ.get("EGRESSCTL_BENCH_PEERS"), help="folder with contenders.json")
    parser.add_argument("--with", dest="wanted", default="asyncssh,pssh", help="which of the peers")
    options = parser.parse_args()
    if not os.path.exists(options.binary):
        sys.exit(f"{options.binary} is missing; run: cargo build --release")
    inside()
    if options.memory:
        memory(options, World(50, addresses=-(-options.memory // 50)))
        return
    world = World(1 if options.round_trips else options.hosts)
    contenders = [clients.egressctl(world, options.binary, len(world.hosts), options.forks),
                  clients.verbs(world, options.binary, options.forks), clients.openssh(world, options.forks)]
    if options.peers:
        contenders += clients.peers(world, options.peers, options.wanted.split(","), options.forks)
    (round_trips if options.round_trips else race)(options, world, contenders)


main()
