"""Who does the jobs: egressctl, OpenSSH's own client under xargs, and the peers of a folder that is named.

A job is T (log in, run `true`) or J (job.sh.hbs, rendered for each host). A client is a table of jobs, each a command.
"""
import json
import os
import shlex
from dataclasses import dataclass, field

from world import ROOT, write

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Client:
    """A contender."""
    name: str
    jobs: dict
    folder: str = "/"
    environment: dict = field(default_factory=dict)
    most_hosts: int = 10**9


def inventory(world, names):
    """The file that egressctl reads: `names` hosts, dealt out over the addresses of the fleet, each with its own value."""
    # Neighbours in the file are different sshd, as they would be.
    addresses = [address for nth in zip(*(host.addresses for host in world.hosts)) for address in nth][:names]
    if len(addresses) < names:
        raise ValueError(f"the fleet has {len(addresses)} addresses, not {names}")
    path = f"{ROOT}/inventory.{names}.yaml"
    source = {address: host.source for host in world.hosts for address in host.addresses}
    hosts = "".join(f"  - {{ name: n{at:05d}, address: {address}, vars: {{ src: {source[address]} }} }}\n"
                    for at, address in enumerate(addresses))
    write(path, f"defaults:\n  ssh:\n    user: root\n    key: {world.key}\n    known_hosts: [{world.known_hosts}]\n"
                f"hosts:\n{hosts}")
    return path


def egressctl(world, binary, names, forks):
    """Ours, as an operator calls it."""
    common = [binary, "run", "-i", inventory(world, names), "-f", str(forks)]
    return Client("egressctl", {"T": [*common, "--", "true"], "J": [*common, "--script", f"{HERE}/job.sh.hbs", "--template"]})


def verbs(world, binary, forks):
    """Job J by our own verbs, a login each: facts, the file as a template, then the route, the rule and their proof."""
    path = inventory(world, len(world.hosts))
    common = f"-i {path} -f {forks} --json"
    write(f"{ROOT}/verbs.sh", f"set -e\n{binary} facts {common}\n"
          f"{binary} push {HERE}/rc.local.hbs /etc/rc.local --template --mode 755 {common}\n"
          f"{binary} run --script {HERE}/prove.sh.hbs --template {common}\n")
    return Client("egressctl, verbs", {"J": ["sh", f"{ROOT}/verbs.sh"]})


def openssh(world, forks):
    """OpenSSH's client, one process per host, with the cheaper key exchange."""
    path = f"{ROOT}/addresses"
    write(path, "".join(f"{host.address}\n" for host in world.hosts))
    with open(f"{HERE}/job.sh.hbs", encoding="ascii") as file:
        job = file.read().partition("--}}\n")[2]
    for host in world.hosts:
        write(f"{ROOT}/job.{host.address}.sh", job.replace("{{src}}", host.source))
    ssh = (f"ssh -F none -T -o BatchMode=yes -o LogLevel=ERROR -o IdentitiesOnly=yes -o KexAlgorithms=curve25519-sha256 "
           f"-i {world.key} -o UserKnownHostsFile={world.known_hosts} -o StrictHostKeyChecking=yes root@{{}}")

    def each(remote):
        return ["xargs", "-a", path, "-P", str(min(forks, 32)), "-I{}", "sh", "-c", f"exec {ssh} {remote}"]
    return Client("ssh under xargs", {"T": each("true </dev/null"), "J": each(f"sh -s <{ROOT}/job.{{}}.sh >/dev/null")})


def peers(world, folder, wanted, forks):
    """Those of `folder`/contenders.json that are wanted; each brings its own form of job J."""
    rows = [host.variables() for host in world.hosts]
    order = ("addr", "name", "src", "gw", "dev", "table", "site", "ntp", "index")
    write(f"{ROOT}/peers.tsv", "".join("\t".join(str(row[key]) for key in order) + "\n" for row in rows))
    write(f"{ROOT}/peers.json", json.dumps(rows))
    write(f"{ROOT}/peers.txt", "".join(f"{row['addr']}\n" for row in rows))
    extra = ("src", "gw", "dev", "table", "site", "ntp", "index")
    write(f"{ROOT}/peers.ini", "[fleet]\n" + "".join(
        f"{row['name']} ansible_host={row['addr']} {' '.join(f'h_{key}={row[key]}' for key in extra)}\n" for row in rows))
    write(f"{ROOT}/peers_{len(rows)}.py", f"fleet = {[(row['name'], {'ssh_hostname': row['addr'], **row}) for row in rows]!r}\n")
    os.makedirs(f"{ROOT}/out", exist_ok=True)
    values = {"ini": f"{ROOT}/peers.ini", "pyinv": f"{ROOT}/peers_{len(rows)}.py", "tsv": f"{ROOT}/peers.tsv", "json": f"{ROOT}/peers.json", "hosts": f"{ROOT}/peers.txt", "key": world.key,
              "kh": world.known_hosts, "out": f"{ROOT}/out", "n": len(rows), "here": folder}
    with open(f"{folder}/contenders.json", encoding="utf-8") as file:
        known = json.load(file)
    for name in wanted:
        entry = known[name]
        filled = {}
        parameters = {**values, **known.get("_params", {}), "K": forks, **entry.get("params", {})}
        for job in ("T", "J"):
            if job in entry:
                text = entry[job]
                for key, value in parameters.items():
                    text = text.replace("{%s}" % key, shlex.quote(str(value)))
                filled[job] = ["sh", "-c", f"exec {text}"]
        yield Client(name, filled, folder, entry.get("env", {}), entry.get("max_n", 10**9))
