/*
 * /proc/PID/maps and smaps. The vma table is copied under mm->lock; names and device numbers are
 * looked up afterwards, since they may take locks of file systems. Resident sizes come from the
 * host's smaps of the keeper, whose vmas may be merged or split otherwise: they are shared out by
 * overlap.
 *
 * With as many mappings as a process may have, the host's text and the sizes take tens of
 * megabytes, which nobody is charged for. So one smaps is made at a time.
 */
#include "alloc.h"
#include "hostio.h"
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define NAME_COLUMN 73

typedef unsigned long long ull;

static struct mutex smaps_mutex; /* rank SMAPS */

void proc_maps_init(void)
{
	mutex_init(&smaps_mutex, "smaps", RANK_SMAPS);
}

/* A copy of the vma table; each file +1. */
struct snapshot {
	struct vma *vmas;
	int n;
	char *host_smaps; /* or NULL */
};

static int snapshot_take(struct snapshot *snap, const struct proc_ctx *c, bool sizes)
{
	struct mm *mm = proc_mm_lock(c);
	int err = 0;

	*snap = (struct snapshot){0};
	if (!mm)
		return 0;
	snap->vmas = kcalloc(mm->nr_vmas + 1, sizeof(struct vma));
	if (!snap->vmas)
		err = -ENOMEM;
	else if (mm->nr_vmas) /* exec has none for a while */
		memcpy(snap->vmas, mm->vmas, mm->nr_vmas * sizeof(struct vma));
	for (int i = 0; !err && i < mm->nr_vmas; i++)
		if (snap->vmas[i].file)
			file_get(snap->vmas[i].file);
	if (!err)
		snap->n = mm->nr_vmas;
	if (!err && sizes && mm->host) {
		char path[48];

		snprintf(path, sizeof(path), "/proc/%d/smaps", host_mm_keeper(mm->host));
		snap->host_smaps = host_file_text(path);
	}
	proc_mm_unlock(mm);
	return err;
}

static void snapshot_drop(struct snapshot *snap)
{
	for (int i = 0; i < snap->n; i++)
		if (snap->vmas[i].file)
			file_put(snap->vmas[i].file);
	kfree(snap->vmas);
	kfree(snap->host_smaps);
}

/* ---- one line ---- */

static void file_identity(struct file *f, dev_t *dev, u64 *ino)
{
	struct inode *inode = f->inode;
	struct kstat st;

	if (!inode->ops || !inode->ops->getattr || inode->ops->getattr(inode, &st))
		generic_getattr(inode, &st);
	*dev = st.dev;
	*ino = st.ino;
}

static const char *special_name(const struct vma *v)
{
	if (v->flags & VM_TRAMP)
		return "[heddle]";
	if (v->flags & VM_VDSO)
		return v->start == host_mm_vdso(NULL) ? "[vdso]" : "[vvar]";
	if (v->flags & VM_HEAP)
		return "[heap]";
	if (v->flags & VM_STACK)
		return "[stack]";
	return NULL;
}

static void show_line(struct seq *s, const struct vma *v)
{
	const char *special = special_name(v);
	size_t start = s->len;
	dev_t dev = 0;
	u64 ino = 0;

	if (v->file)
		file_identity(v->file, &dev, &ino);
	seq_printf(s, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", (ull)v->start, (ull)v->end,
		   v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-',
		   v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_SHARED ? 's' : 'p',
		   v->file ? (ull)v->pgoff : 0ULL, major(dev), minor(dev), (ull)ino);
	if (v->file) {
		seq_pad(s, start, NAME_COLUMN);
		seq_path(s, &v->file->path, "\n");
	} else if (special) {
		seq_pad(s, start, NAME_COLUMN);
		seq_puts(s, special);
	}
	seq_putc(s, '\n');
}

int proc_show_maps(struct seq *s, const struct proc_ctx *c)
{
	struct snapshot snap;
	int err = snapshot_take(&snap, c, false);

	for (int i = 0; i < snap.n && !s->failed; i++) {
		show_line(s, &snap.vmas[i]);
		cond_resched();
	}
	snapshot_drop(&snap);
	return err;
}

/* ---- sizes ---- */

static const char *const size_names[] = {
	"Rss",
	"Pss",
	"Pss_Dirty",
	"Shared_Clean",
	"Shared_Dirty",
	"Private_Clean",
	"Private_Dirty",
	"Referenced",
	"Anonymous",
	"KSM",
	"LazyFree",
	"AnonHugePages",
	"ShmemPmdMapped",
	"FilePmdMapped",
	"Shared_Hugetlb",
	"Private_Hugetlb",
	"Swap",
	"SwapPss",
	"Locked",
};
#define NSIZES ARRAY_SIZE(size_names)

struct sizes {
	u64 kb[NSIZES];
};

/* One entry of the host's text: its range and sizes; *text moves behind it. False: no more. */
static bool host_entry(char **text, u64 *start, u64 *end, struct sizes *sz)
{
	char *line = *text, *p;

	if (!line || !*line)
		return false;
	memset(sz, 0, sizeof(*sz));
	*start = strtoull(line, &p, 16);
	if (*p != '-')
		return false;
	*end = strtoull(p + 1, &p, 16);
	for (line = strchr(p, '\n'); line; line = strchr(line, '\n')) {
		size_t n;

		line++;
		if (*line < 'A' || *line > 'Z')
			break; /* the next range */
		n = strcspn(line, ":\n");
		for (size_t i = 0; i < NSIZES; i++)
			if (strlen(size_names[i]) == n && !memcmp(size_names[i], line, n))
				sz->kb[i] = strtoull(line + n + 1, NULL, 10);
	}
	*text = line;
	return true;
}

static void add_share(struct sizes *to, const struct sizes *from, u64 part, u64 whole)
{
	for (size_t i = 0; i < NSIZES; i++)
		to->kb[i] += part == whole
				     ? from->kb[i]
				     : from->kb[i] * (part >> PAGE_SHIFT) / (whole >> PAGE_SHIFT);
}

/* Both lists ascend, so one pass does. */
static struct sizes *share_out(const struct snapshot *snap)
{
	struct sizes *all = kcalloc(snap->n + 1, sizeof(*all)), sz;
	char *text = snap->host_smaps;
	u64 start, end;
	int first = 0;

	while (all && host_entry(&text, &start, &end, &sz)) {
		while (first < snap->n && snap->vmas[first].end <= start)
			first++;
		for (int i = first; i < snap->n && snap->vmas[i].start < end; i++) {
			u64 from = max(start, snap->vmas[i].start),
			    to = min(end, snap->vmas[i].end);

			if (from < to)
				add_share(&all[i], &sz, to - from, end - start);
		}
		cond_resched();
	}
	return all;
}

static void show_sizes(struct seq *s, const struct sizes *sz)
{
	for (size_t i = 0; i < NSIZES; i++) {
		size_t at = s->len;

		seq_printf(s, "%s:", size_names[i]);
		seq_pad(s, at, 16);
		seq_printf(s, "%8llu kB\n", (ull)sz->kb[i]);
	}
}

static void show_vm_flags(struct seq *s, u32 flags)
{
	static const struct {
		u32 flag;
		char name[4];
	} names[] = {{VM_READ, "rd"},	    {VM_WRITE, "wr"},	 {VM_EXEC, "ex"},
		     {VM_SHARED, "sh"},	    {VM_MAYWRITE, "mw"}, {VM_GROWSDOWN, "gd"},
		     {VM_LOCKED, "lo"},	    {VM_DONTFORK, "dc"}, {VM_NORESERVE, "nr"},
		     {VM_WIPEONFORK, "wf"}, {VM_DONTDUMP, "dd"}, {VM_ACCOUNT, "ac"}};

	seq_puts(s, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			seq_printf(s, "%s ", names[i].name);
	seq_putc(s, '\n');
}

static int show_smaps(struct seq *s, const struct proc_ctx *c)
{
	struct snapshot snap;
	struct sizes *all;
	int err = snapshot_take(&snap, c, true);

	all = share_out(&snap);
	kfree(snap.host_smaps); /* much, and others run from now on */
	snap.host_smaps = NULL;
	for (int i = 0; all && i < snap.n && !s->failed; i++) {
		const struct vma *v = &snap.vmas[i];

		show_line(s, v);
		seq_printf(
			s,
			"Size:           %8llu kB\nKernelPageSize: %8d kB\nMMUPageSize:    %8d kB\n",
			(ull)(v->end - v->start) >> 10, 4, 4);
		show_sizes(s, &all[i]);
		seq_puts(s, "THPeligible:           0\n");
		show_vm_flags(s, v->flags);
		cond_resched();
	}
	if (!all)
		err = -ENOMEM;
	kfree(all);
	snapshot_drop(&snap);
	return err;
}

static int show_rollup(struct seq *s, const struct proc_ctx *c)
{
	struct sizes sum = {0}, *all;
	struct snapshot snap;
	size_t at = s->len;
	int err = snapshot_take(&snap, c, true);

	all = share_out(&snap);
	for (int i = 0; all && i < snap.n; i++)
		add_share(&sum, &all[i], 1, 1);
	if (snap.n) {
		seq_printf(s, "%08llx-%08llx ---p 00000000 00:00 0 ", (ull)snap.vmas[0].start,
			   (ull)snap.vmas[snap.n - 1].end);
		seq_pad(s, at, NAME_COLUMN);
		seq_puts(s, "[rollup]\n");
		show_sizes(s, &sum);
	}
	if (!all)
		err = -ENOMEM;
	kfree(all);
	snapshot_drop(&snap);
	return err;
}

/* -EINTR: killed while others made theirs. */
static int one_at_a_time(int (*show)(struct seq *s, const struct proc_ctx *c), struct seq *s,
			 const struct proc_ctx *c)
{
	int err = mutex_lock_killable(&smaps_mutex);

	if (err)
		return err;
	err = show(s, c);
	mutex_unlock(&smaps_mutex);
	return err;
}

int proc_show_smaps(struct seq *s, const struct proc_ctx *c)
{
	return one_at_a_time(show_smaps, s, c);
}

int proc_show_smaps_rollup(struct seq *s, const struct proc_ctx *c)
{
	return one_at_a_time(show_rollup, s, c);
}
