"""A small SLURM cluster on the loopback interface of one machine, from Debian's packages.

Each node is a set of namespaces of its own (hostname, processes, mounts, shared memory), so that
Open MPI sees several machines; network and files are shared. Everything lies in one folder, nothing
in /etc is touched, and nothing outlives the process that started it.
"""
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "unshare", "mpirun")
UNSHARE = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
MPI_DEFAULTS = pathlib.Path("/etc/openmpi/openmpi-mca-params.conf")
FINISHED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE",
            "BOOT_FAIL", "PREEMPTED"}

# First process of a node: inherits what jobs leave behind and takes it along when it ends.
NODE = """
name=$1 folder=$2; shift 2
hostname "$name" && mount -t proc proc /proc && mount --bind "$folder/hosts" /etc/hosts &&
  mount -t tmpfs -o mode=1777 shm /dev/shm || exit 1
[ ! -e "$folder/openmpi.conf" ] || mount --bind "$folder/openmpi.conf" """ + str(MPI_DEFAULTS) + """
"$@" & daemon=$!
trap 'kill $daemon' TERM
while kill -0 $daemon 2>/dev/null; do wait $daemon; done
"""
CONF = """\
ClusterName=test
SlurmctldHost=login(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
CredType=cred/munge
# A job that went back to the queue waits until its credentials have expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=pmix
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=3600
MessageTimeout=20
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=3,bf_continue
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName=node[1-{nodes}] NodeHostname=node[1-{nodes}] NodeAddr=127.0.0.1 Port=[{node_ports}] \
CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=1000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
"""
OPEN_MPI = """
btl_tcp_if_include = lo
oob_tcp_if_include = lo
mpi_yield_when_idle = 1
hwloc_base_binding_policy = none
"""


def die_with_parent():
    """In a child: it gets SIGKILL when the thread that started it ends."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def consecutive_ports(count):
    """The first of so many free ports in a row."""
    for first in range(17000 + os.getpid() % 5000, 32000, count):
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            pass
        finally:
            for each in sockets:
                each.close()
    raise RuntimeError("no free ports")


class Cluster:
    """with Cluster(nodes=2, cpus=2) as cluster: cluster.submit(...)"""

    def __init__(self, nodes=2, cpus=2):
        self.nodes, self.cpus = nodes, cpus
        self.folder = None
        self.processes = []
        self.janitor = None

    @staticmethod
    def missing():
        """Why there can be no cluster on this machine; None if there can."""
        absent = [name for name in PROGRAMS if not shutil.which(name, path=SEARCH)]
        if absent:
            return f"{', '.join(absent)} not installed (jobs/setup.sh --tests)"
        if os.geteuid() != 0:
            return "only root can start its nodes"
        probe = "hostname probe && mount -t proc proc /proc && mount -t tmpfs shm /dev/shm"
        done = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            return f"this machine allows no namespaces: {done.stderr.strip()}"
        return None

    def environment(self, **more):
        """That of a user at the login node: nothing of a job or a test this process runs in."""
        foreign = re.compile(r"(SLURM|SBATCH|SRUN|OMPI|PMIX|PRTE|KOMORI|OMP|OPENBLAS)_")
        kept = {key: value for key, value in os.environ.items() if not foreign.match(key)}
        return {**kept, "PATH": SEARCH, "SLURM_CONF": str(self.folder / "slurm.conf"), **more}

    # --- start and end -------------------------------------------------------------------------
    def __enter__(self):
        # Paths of sockets end at 107 characters.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm-", dir=short_folder()))
        self.folder.chmod(0o755)
        # Removes the folder whatever becomes of this process: then its input ends.
        self.janitor = subprocess.Popen(
            ["sh", "-c", 'cat >/dev/null; sleep 1; rm -rf "$0"', str(self.folder)],
            stdin=subprocess.PIPE, start_new_session=True, cwd="/",
        )
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        folder = self.folder
        first = consecutive_ports(self.nodes + 1)
        names = [f"node{i + 1}" for i in range(self.nodes)]
        (folder / "state").mkdir()
        for name in names:
            (folder / f"spool-{name}").mkdir()
            (folder / f"tmp-{name}").mkdir()
        (folder / "slurm.conf").write_text(CONF.format(
            folder=folder, ports=[first], node_ports=f"{first + 1}-{first + self.nodes}",
            nodes=self.nodes, cpus=self.cpus,
        ))
        # The other fence lets ranks leave MPI_Init too early, now and then (SLURM 22.05).
        (folder / "mpi.conf").write_text("PMIxCollFence=ring\n")
        (folder / "plugstack.conf").write_text("")
        (folder / "hosts").write_text(
            "127.0.0.1 localhost login\n" + "".join(f"127.0.0.1 {name}\n" for name in names)
        )
        if MPI_DEFAULTS.exists():
            (folder / "openmpi.conf").write_text(MPI_DEFAULTS.read_text() + OPEN_MPI)
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self._launch("munged", [
            "munged", "--foreground", f"--key-file={key}", f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
            f"--log-file={folder}/munged.log", "--num-threads=2", "--origin=127.0.0.1",
        ])
        self._await("munged", ["munge", "--no-input", f"--socket={folder}/munge.socket"])
        self._launch_node("login", ["slurmctld", "-D", "-i"])
        for name in names:
            self._launch_node(name, ["slurmd", "-D", "-N", name])
        self._await("the nodes", ["sinfo", "--noheader", "--Node", "--format=%T"],
                    "idle\n" * self.nodes)

    def _launch(self, name, words):
        with open(self.folder / f"{name}.out", "w", encoding="utf-8") as out:
            self.processes.append(subprocess.Popen(
                words, cwd="/", env=self.environment(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent,
            ))

    def _launch_node(self, name, daemon):
        self._launch(name, [*UNSHARE, "bash", "-c", NODE, "node", name, str(self.folder), *daemon,
                            "-f", str(self.folder / "slurm.conf")])

    def _await(self, what, words, answer=None, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = self.run(*words)
            if done.returncode == 0 and answer in (None, done.stdout):
                return
            if any(process.poll() is not None for process in self.processes):
                break
            time.sleep(0.1)
        logs = "".join(f"\n--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
                       for path in sorted(self.folder.glob("*.[lo][ou][gt]")))
        raise RuntimeError(f"{what} did not start: {done.stdout}{done.stderr}{logs}")

    def __exit__(self, *_):
        # Their children are gone with them: each node is a process namespace.
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.processes = []
        self.janitor.stdin.close()
        self.janitor.wait()

    # --- jobs ----------------------------------------------------------------------------------
    def run(self, *words, cwd=None, **settings):
        """A command at the login node."""
        return subprocess.run([str(word) for word in words], cwd=cwd or self.folder, text=True,
                              env=self.environment(**settings), capture_output=True, check=False,
                              timeout=120)

    def command(self, *words, **how):
        done = self.run(*words, **how)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def submit(self, *words, cwd, **settings):
        """Options of sbatch, script and its arguments; returns the number of the job."""
        return self.command("sbatch", "--parsable", *words, cwd=cwd, **settings).strip()

    def show(self, job):
        """What SLURM knows: a dictionary, of an array a list with one for each task."""
        tasks = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in
                 self.command("scontrol", "--oneliner", "show", "job", job).splitlines() if line]
        return tasks if len(tasks) > 1 else tasks[0]

    def state(self, job):
        return self.show(job)["JobState"]

    def restarts(self, job):
        return int(self.show(job)["Restarts"])

    def exit_code(self, job):
        """Of the script: (code, signal)."""
        return tuple(map(int, self.show(job)["ExitCode"].split(":")))

    def wait(self, job, seconds):
        """Until the job, of an array all tasks, has ended; returns the final state or states."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            shown = self.show(job)
            states = [each["JobState"] for each in (shown if isinstance(shown, list) else [shown])]
            if set(states) <= FINISHED:
                return states if isinstance(shown, list) else states[0]
            time.sleep(0.2)
        raise TimeoutError(f"job {job} is {states} after {seconds} s")

    def signal(self, job, name, batch=False):
        """To the ranks, or with `batch` to the script alone, as --signal=B: does."""
        self.command("scancel", *(["--batch"] if batch else []), f"--signal={name}", job)

    def cancel(self, job):
        self.command("scancel", job)


def short_folder():
    folder = tempfile.gettempdir()
    return folder if len(folder) <= 40 else "/tmp"
