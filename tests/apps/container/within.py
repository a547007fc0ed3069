"""Runs a program as container runtimes do, or beneath another seccomp listener:  within.py profile|listener PROGRAM [ARG...]

The profile is the usual default of container runtimes without privileges: what it refuses, and the capabilities that it leaves to root.
"""

import ctypes
import errno
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
SYS_SECCOMP, SET_MODE_FILTER, NEW_LISTENER = 317, 1, 8
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000

# chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap
KEPT_CAPS = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
REFUSED = """
acct add_key bpf cachestat clock_settime delete_module fanotify_init fchmodat2 finit_module fsconfig fsmount fsopen fspick get_mempolicy init_module
io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount
mount_setattr move_mount move_pages open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise quotactl quotactl_fd reboot
request_key set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog umount2 unshare
uselib userfaultfd ustat vhangup
""".split()
PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xFFFFFFFF]
NEW_NAMESPACES = 0x7E020000


def numbers():
    """Of all system calls, by name."""
    with open(os.path.join(os.environ["APPS"], "../../kernel/syscalls.def")) as f:
        rows = [line.split() for line in f]
    return {row[1]: int(row[0]) for row in rows if len(row) > 1 and row[0].isdigit()}


def refuse(number, error):
    return [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]


def profile():
    nr = numbers()
    missing = [name for name in REFUSED if name not in nr]
    if len(missing) > len(REFUSED) / 2:
        sys.exit(f"within: no numbers for {missing}")
    program = [(LOAD, 0, 0, 0)]
    for name in REFUSED:
        if name in nr:
            program += refuse(nr[name], errno.EPERM)
    program += refuse(nr["clone3"], errno.ENOSYS)
    n = len(PERSONALITIES)
    program += [(JUMP_EQUAL, 0, n + 2, nr["personality"]), (LOAD, 0, 0, 16)]
    program += [(JUMP_EQUAL, n - i, 0, p) for i, p in enumerate(PERSONALITIES)]
    program += [(RETURN, 0, 0, ERRNO | errno.EPERM), (LOAD, 0, 0, 0)]
    program += [(JUMP_EQUAL, 0, 3, nr["clone"]), (LOAD, 0, 0, 16), (JUMP_SET, 0, 1, NEW_NAMESPACES), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    return program + [(RETURN, 0, 0, ALLOW)]


def install(program, flags):
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    text = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(text))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("within: no_new_privs can't be set")
    fd = libc.syscall(SYS_SECCOMP, SET_MODE_FILTER, flags, fprog)
    if fd < 0:
        sys.exit(f"within: seccomp: {os.strerror(ctypes.get_errno())}")
    return fd


def main():
    kind, argv = sys.argv[1], sys.argv[2:]
    if kind == "profile":
        if os.geteuid() == 0:
            for cap in range(64):
                if cap not in KEPT_CAPS:
                    libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)
        install(profile(), 0)
        os.execvp(argv[0], argv)
    # The listener has to stay open, here; it is closed in the child. Nothing is ever notified.
    install([(RETURN, 0, 0, ALLOW)], NEW_LISTENER)
    status = os.spawnvp(os.P_WAIT, argv[0], argv)
    sys.exit(status if status >= 0 else 128 - status)


main()
