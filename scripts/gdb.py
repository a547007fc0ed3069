"""For gdb: `source scripts/gdb.py`; `heddle-tasks` shows what each of the guest's threads waits for in the kernel, `heddle-cpus` the run queues."""
import gdb


def members(head, container, link):
    """The entries of a list: head is a struct cds_list_head, and link the name of theirs in `struct container`."""
    of = gdb.lookup_type(container).pointer()
    offset = next(f.bitpos // 8 for f in of.target().fields() if f.name == link)
    at = head["next"]
    while int(at) != int(head.address):
        yield gdb.Value(int(at) - offset).cast(of)
        at = at["next"]


def processes(tg):
    yield tg
    for child in members(tg["children"], "struct thread_group", "child_link"):
        yield from processes(child)


def function(address):
    """Its name, without what the compiler made of it."""
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    return block.function.name if block else hex(address)


def frames(sp):
    """Return addresses above what switch_stacks() has saved at sp: rbp is the last of six registers."""
    word = gdb.lookup_type("unsigned long").pointer()
    at = gdb.Value(sp).cast(word)
    fp, ip = int(at[5]), int(at[6])
    while True:
        yield ip
        if fp <= sp:
            return
        sp, at = fp, gdb.Value(fp).cast(word)
        fp, ip = int(at[0]), int(at[1])


class Tasks(gdb.Command):
    """heddle-tasks: a line for each of the guest's threads: process, thread, name, CPU, state, and its call chain, innermost function first."""

    def __init__(self):
        super().__init__("heddle-tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        init = gdb.parse_and_eval("init_task")
        for tg in processes(init["tg"].dereference()):
            for t in members(tg["threads"], "struct task", "group_link"):
                self.show(tg, t)

    @staticmethod
    def show(tg, t):
        kt = t["kt"]
        state = gdb.Value(int(kt["state"])).cast(gdb.lookup_type("enum kthread_state"))
        chain = "running" if kt["on_cpu"] else " < ".join(function(ip) for ip in frames(int(kt["sp"])))
        queued = ", queued" if kt["on_rq"] else ""
        print(f"task {tg['leader']['tid']} {t['tid']} {t['comm'].string()} cpu {kt['cpu']} {state}{queued}: {chain}")


class Cpus(gdb.Command):
    """heddle-cpus: what each CPU has done, who runs there, and who waits for it: name, run time ahead of the queue's least, time waited."""

    def __init__(self):
        super().__init__("heddle-cpus", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        now = max(int(self.cpu(i)["last_switch"]) for i in range(self.count()))
        for i in range(self.count()):
            self.show(self.cpu(i), now)

    @staticmethod
    def count():
        return int(gdb.parse_and_eval("nr_cpus"))

    @staticmethod
    def cpu(i):
        return gdb.parse_and_eval("cpus")[i]

    @staticmethod
    def show(c, now):
        rq, stat = c["rq"].dereference(), c["stat"]
        least = int(rq["min_vruntime"])

        def ahead(kt):
            return f"{kt['name'].string()} {(int(kt['vruntime']) - least) / 1e6:+.3f} ms"

        print(f"cpu {c['id']} core {c['host_core']}: {stat['switches']} switches, {stat['migrations']} migrated,"
              f" {stat['ticks']} ticks, {stat['extended']} extended; heard of {(now - int(c['last_switch'])) / 1e6:.3f} ms ago,"
              f" in_guest {c['in_guest']} need_resched {c['need_resched']} kick_pending {c['kick_pending']}; runs {ahead(c['current'])}")
        for kt in members(rq["waiting"], "struct kthread", "rq_link"):
            print(f"  {ahead(kt)}, waits {(now - int(kt['enqueued'])) / 1e6:.3f} ms, on a CPU {int(kt['runtime_ns']) / 1e6:.3f} ms")


Tasks()
Cpus()
