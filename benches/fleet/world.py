"""A fleet of real sshd, one per network namespace, none of which leads anywhere else. Dies with its process.

Must only run as process 1 of namespaces of its own (see __main__): whatever is left of a fleet is its child then, and its
CPU time is told exactly.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time

ROOT = "/run/fleet"
HOME = f"{ROOT}/home"
TABLE = 101
GATEWAY = "198.19.255.1"
OURS = "198.18.255.1"
OLD_RC_LOCAL = "#!/bin/sh -e\n# old content\nexit 0\n"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """Moves this process into a network namespace."""
    file = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if _libc.setns(file, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(file)


def ip(lines, *options):
    """Runs many commands of ip(8) at once."""
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines).encode() + b"\n", check=True)


def write(path, text, mode=0o644):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)


class Host:
    """One host; it may answer at several addresses."""

    def __init__(self, index, addresses):
        self.name = f"h{index:04d}"
        self.index = index
        low = f"{index // 250}.{index % 250 + 1}"
        self.address = f"198.18.{low}"
        self.source = f"198.19.{low}"
        more = range(1, addresses)
        self.addresses = [self.address] + [f"198.{20 + n // 4}.{index + n % 4 * 64}.{1 + n // 16}" for n in more]
        self.addresses = list(dict.fromkeys(self.addresses))
        self.folder = f"{ROOT}/{self.name}"
        self.key = f"{ROOT}/keys/{self.name}"

    def public_key(self):
        with open(f"{self.key}.pub", encoding="ascii") as file:
            return " ".join(file.read().split()[:2])

    def variables(self):
        return {
            "name": self.name, "index": self.index, "addr": self.address, "src": self.source, "gw": GATEWAY,
            "dev": "eth1", "table": TABLE, "site": f"site-{self.index % 7}", "ntp": f"198.19.254.{self.index % 5 + 1}",
        }


class World:
    """The network and the keys. Fleets of processes come and go in it."""

    def __init__(self, hosts, addresses=1):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        for folder in ("/run/sshd", "/run/netns", f"{ROOT}/keys", HOME):
            os.makedirs(folder)
        self.key, self.known_hosts = f"{ROOT}/id", f"{ROOT}/known_hosts"
        self.hosts = [Host(index, addresses) for index in range(1, hosts + 1)]
        self._keys()
        self._network()
        write(f"{ROOT}/sshd_config", (
            "Port 22\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"AuthorizedKeysFile {self.key}.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "MaxStartups 2000\nPrintMotd no\nLogLevel ERROR\nUseDNS no\nSubsystem sftp internal-sftp\n"))

    def _keys(self):
        making = []
        for path in [self.key, *(host.key for host in self.hosts)]:
            making.append(subprocess.Popen(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path]))
        if any(process.wait() != 0 for process in making):
            raise RuntimeError("ssh-keygen failed")
        lines = (f"{','.join(host.addresses)} {host.public_key()}\n" for host in self.hosts)
        write(self.known_hosts, "".join(lines))

    def _network(self):
        ip([f"netns add {host.name}" for host in self.hosts])
        ours = ["link set lo up", f"addr add {OURS}/32 dev lo"]
        for host in self.hosts:
            ours += [f"link add v{host.index} type veth peer name eth0 netns {host.name}", f"link set v{host.index} up"]
            ours.append(f"route add {host.address}/32 dev v{host.index} src {OURS}")
            # By way of the first, since the kernel's table of neighbours is small.
            ours += [f"route add {address}/32 via {host.address} dev v{host.index} src {OURS}" for address in host.addresses[1:]]
        ip(ours)
        for host in self.hosts:
            ip(["link set lo up", "link set eth0 up", "link add eth1 type veth peer name eth1p", "link set eth1p up",
                "link set eth1 up", f"addr add {host.source}/16 dev eth1",
                *(f"addr add {address}/32 dev eth0" for address in host.addresses),
                f"route add {OURS}/32 dev eth0 src {host.address}", f"route add default via {OURS} dev eth0 onlink"],
               "-n", host.name)
        for name, value in (("ip_local_port_range", "10000 65000"), ("tcp_tw_reuse", "1")):
            with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
                file.write(value)

    def forget(self):
        """Takes back what job J did to the hosts' routing."""
        for host in self.hosts:
            lines = [f"rule del from {host.source} lookup {TABLE}", f"route flush table {TABLE}"]
            subprocess.run(["ip", "-n", host.name, "-force", "-batch", "-"], input="\n".join(lines).encode(),
                           stderr=subprocess.DEVNULL, check=False)

    def unfinished(self):
        """The hosts on which job J has not done everything."""
        def ask(host, *what):
            return subprocess.run(["ip", "-n", host.name, "-4", *what], capture_output=True, text=True, check=True).stdout
        bad = []
        for host in self.hosts:
            with open(f"{host.folder}/up/rc.local", encoding="ascii") as file:
                written = "Managed file" in file.read()
            route = f"default via {GATEWAY} dev eth1" in ask(host, "route", "show", "table", str(TABLE))
            rules = ask(host, "rule").count(f"from {host.source} lookup {TABLE}")
            if not (written and route and rules == 1):
                bad.append(host.name)
        return bad


class Fleet:
    """The running sshd of a world, each with its own /etc/rc.local."""

    def __init__(self, world):
        self.world = world
        self.children = [self._start(host) for host in world.hosts]
        waiting = list(world.hosts)
        deadline = time.monotonic() + 60
        while waiting:
            waiting = [host for host, child in zip(world.hosts, self.children) if host in waiting and not _listens(child)]
            if time.monotonic() > deadline:
                raise RuntimeError(f"these do not listen: {[host.name for host in waiting][:5]}")
            time.sleep(0.05)

    def _start(self, host):
        shutil.rmtree(host.folder, ignore_errors=True)
        for part in ("up", "work", "root"):
            os.makedirs(f"{host.folder}/{part}")
        write(f"{host.folder}/up/rc.local", OLD_RC_LOCAL, 0o755)
        overlay = f"lowerdir=/etc,upperdir={host.folder}/up,workdir={host.folder}/work"
        # An empty home, since what a login's shell reads there is nobody's cost.
        script = (f"mount -t overlay overlay -o {overlay} /etc && mount --bind {host.folder}/root /root && "
                  f"exec /usr/sbin/sshd -D -f {ROOT}/sshd_config -h {host.key}")
        command = ["nsenter", f"--net=/run/netns/{host.name}", "unshare", "--mount", "sh", "-c", script]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True).pid

    def stop(self):
        """Ends everything; the CPU seconds of all of it."""
        time.sleep(0.3)
        for child in self.children:
            os.kill(child, signal.SIGTERM)
        spent = 0.0
        while True:
            try:
                _, _, usage = os.wait4(-1, 0)
            except ChildProcessError:
                return spent
            spent += usage.ru_utime + usage.ru_stime


def _listens(process):
    try:
        with open(f"/proc/{process}/net/tcp", encoding="ascii") as file:
            return any(line.split()[3] == "0A" for line in file.readlines()[1:])
    except OSError:
        return False
