# Kills a kernel that changes a humfs at random (storm.c), at random moments, and looks each time whether data and metadata agree.
#   kill.py STORM COUNT SEED    with $HEDDLE_BIN, $ENGINE, $CPUS, $WORK
import os, random, stat, subprocess, sys, time

storm, count = sys.argv[1], int(sys.argv[2])
seed = int(sys.argv[3])
heddle, engine, cpus = os.environ["HEDDLE_BIN"], os.environ["ENGINE"], os.environ["CPUS"]
work = os.environ["WORK"]
top = work + "/humfs"
rand = random.Random(seed)
damage = cut_renames = left = attributes = 0
ATTRIBUTES = ["user.number", "user.humfs.trusted.number", "user.humfs.security.number", "user.humfs.user.humfs.trusted.number"]


def fail(i, why):
    print("FAIL killed_kernel_leaves_no_damage: seed %d, round %d: %s" % (seed, i, why), flush=True)
    subprocess.run(["cp", "-a", top, work + "/../humfs-kill-failed"], check=False)
    sys.exit(1)


def meta(path):
    with open(path) as f:
        return f.read().split()


def dir_name(name):
    return name + "~" if name.rstrip("~") == "metadata" else name


# Owner and group belong to the number that the data tells; None: it tells none.
def own(i, path, words, number, is_file):
    mode, uid, gid = (int(w) for w in words[:3])
    if number is None:
        return
    if uid not in (0, number) or gid not in (0, number + 1):
        fail(i, "%s is %d's, its metadata says %s" % (path, number, words))
    if is_file and mode not in (0o600, 0o4000 | number & 0o777):
        fail(i, "%s is %d's, its mode is %o" % (path, number, mode))


def own_attributes(i, path):
    global attributes
    for a in os.listxattr(path):
        if not a.startswith("user."):
            continue
        value = os.getxattr(path, a)
        if a not in ATTRIBUTES or value.decode() != "%s\n" % number_in(path):
            fail(i, "%s is %s's, its attribute %s is %s" % (path, number_in(path), a, value))
        attributes += 1


def number_in(path):
    with open(path) as f:
        text = f.read()
    return int(text) if text.endswith("\n") else None


def look(i, data, fmeta, dmeta):
    for name in os.listdir(data):
        path = data + "/" + name
        st = os.lstat(path)
        if stat.S_ISDIR(st.st_mode):
            sub = dmeta + "/" + dir_name(name)
            number = number_in(path + "/id") if os.path.exists(path + "/id") and name != "id" else None
            own(i, path, meta(sub + "/metadata"), number, False)
            look(i, path, fmeta + "/" + name, sub)
            continue
        words = meta(fmeta + "/" + name)
        if stat.S_ISREG(st.st_mode):
            own_attributes(i, path)
        device = len(words) > 3
        if stat.S_ISLNK(st.st_mode):
            if device:
                fail(i, path + ": a symlink with a device's metadata")
            own(i, path, words, int(os.readlink(path)), False)
        elif device:
            if st.st_size:
                fail(i, path + ": a device with contents")
            own(i, path, words, int(words[4]) << 8 | int(words[5]), False)
        elif name != "id":
            own(i, path, words, number_in(path), True)


subprocess.run([heddle, "humfs", "create", top, "--size", "1M"], check=True)
for i in range(count):
    kernel = subprocess.Popen(
        [heddle, "run", "-c", cpus, "-e", engine, "-v", "humfs:%s:/mnt" % top, "-v", "hostfs:%s:/storm:ro" % os.path.dirname(storm),
         "--", "/storm/" + os.path.basename(storm), str(rand.randrange(1 << 30)), "/mnt"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if kernel.stdout.readline() != "ready\n":
        fail(i, "the kernel did not start: " + kernel.stderr.read())
    # The moment is what is random here.
    time.sleep(rand.random() ** 2 * 0.3)
    kernel.kill()
    err = kernel.communicate()[1]
    if kernel.returncode != -9:
        fail(i, "the kernel ended by itself: " + err)
    if rand.random() < 0.1:
        # What boot does by itself is enough.
        again = subprocess.run([heddle, "run", "-c", "1", "-e", engine, "-v", "humfs:%s:/mnt" % top, "--", "true"],
                               capture_output=True, text=True)
        if again.returncode or again.stderr:
            fail(i, "it can't be mounted again: " + again.stderr)
    check = subprocess.run([heddle, "humfs", "check", "--repair", top], capture_output=True, text=True)
    last = check.stdout.splitlines()[-1] if check.stdout else ""
    if check.returncode not in (0, 1) or "damaged: 0," not in last:
        fail(i, check.stdout + check.stderr)
    cut_renames += "its rename was cut off" in check.stdout
    left += "metadata without data" in check.stdout or "directory that isn't there" in check.stdout
    look(i, top + "/data", top + "/file_metadata", top + "/dir_metadata")
    check = subprocess.run([heddle, "humfs", "check", top], capture_output=True, text=True)
    if check.returncode:
        fail(i, "after the repair: " + check.stdout + check.stderr)
print("ok killed_kernel_leaves_no_damage")
print("%d kills: %d cut a rename off, %d left orphans; %d attributes were looked at; seed %d" %
      (count, cut_renames, left, attributes, seed), file=sys.stderr)
