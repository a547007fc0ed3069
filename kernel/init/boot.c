/*
 * Boot: the first task is made by hand. It runs in the kernel at first: mounts the root and the
 * file systems that a guest expects, opens its standard files, and then executes the program.
 */
#include "kernel/init/boot.h"
#include "alloc.h"
#include "cputime.h"
#include "cred.h"
#include "engine.h"
#include "fs.h"
#include "hostfault.h"
#include "kernel/task/task_priv.h"
#include "layerfs.h"
#include "log.h"
#include "mm.h"
#include "proc.h"
#include "tmpfs.h"
#include "tty.h"
#include "uts.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#define EXIT_SETUP 2
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct options *opt;
static int setup_status; /* written by the first task before smp_stop() */
extern char **environ;

/* One line, and the end of this kernel with the given status. */
static noreturn_ void boot_fail(int status, const char *fmt, ...) printf_like(2, 3);
static noreturn_ void boot_fail(int status, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_warn("%s\n", line);
	setup_status = status;
	smp_stop();
	kthread_exit();
}

/* ---- file systems ---- */

static const char *mount_error(bool humfs, int err)
{
	if (humfs && err == -EBUSY)
		return "in use by another kernel";
	if (humfs && err == -EUCLEAN)
		return "damaged, or its last use was cut off: run heddle humfs check --repair";
	if (humfs && (err == -EINVAL || err == -ENOENT))
		return "there is no humfs that we know";
	return strerrordesc_np(-err);
}

static int mount_hostfs(const char *dir, bool rw, const struct hostfs_options *opt_given,
			struct super_block **sb)
{
	struct hostfs_options o = *opt_given;

	o.rw = rw;
	return hostfs_mount_dir(dir, &o, sb);
}

/* What --overlay names. Nobody else is expected to use it. */
static struct super_block *overlay_layer(void)
{
	const struct hostfs_options ours = {.exclusive = true};
	struct super_block *sb;
	int err = opt->overlay_humfs ? humfs_mount_dir(opt->overlay, true, &sb)
				     : mount_hostfs(opt->overlay, true, &ours, &sb);

	if (err)
		boot_fail(EXIT_SETUP, "--overlay %s: %s", opt->overlay,
			  mount_error(opt->overlay_humfs, err));
	return sb;
}

static void mount_root_fs(void)
{
	struct super_block *sb;
	int err = opt->root_humfs ? humfs_mount_dir(opt->root, opt->rw, &sb)
				  : mount_hostfs(opt->root, opt->rw, &opt->root_options, &sb);

	if (err)
		boot_fail(EXIT_SETUP, "--root %s%s: %s", opt->root_humfs ? "humfs:" : "", opt->root,
			  mount_error(opt->root_humfs, err));
	if (!opt->rw) {
		sb = opt->overlay ? overlay_create_dir(sb, overlay_layer()) : overlay_create(sb);
		if (IS_ERR(sb))
			boot_fail(EXIT_SETUP, "no overlay over %s: %s", opt->root,
				  strerrordesc_np(-PTR_ERR(sb)));
	}
	err = mount_root(sb, 0);
	sb_put(sb);
	if (err)
		boot_fail(EXIT_SETUP, "can't mount the root: %s", strerrordesc_np(-err));
	current->fs = fs_context_new(NULL);
	if (!current->fs)
		boot_fail(EXIT_SETUP, "out of memory");
}

/* The directory to mount on; made if it isn't there. */
static int mountpoint(const char *target, struct path *p)
{
	int err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, p);
	struct path parent;
	struct dentry *d;

	if (err != -ENOENT)
		return err;
	err = path_create(AT_FDCWD, target, true, &parent, &d);
	if (err)
		return err;
	err = parent.dentry->inode->ops->mkdir
		      ? parent.dentry->inode->ops->mkdir(parent.dentry->inode, d, S_IFDIR | 0755)
		      : -EPERM;
	path_create_done(&parent, d);
	return err ? err : path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, p);
}

static int mount_on(const char *target, struct super_block *sb, u64 flags)
{
	struct path p;
	int err = mountpoint(target, &p);

	if (!err) {
		err = mount_at(&p, sb, sb->root, flags);
		path_put(&p);
	}
	sb_put(sb);
	return err;
}

static void mount_type(const char *type, const char *target, const char *options, u64 flags)
{
	const struct fs_type *t = fs_type_find(type);
	struct super_block *sb = t ? t->mount(t, type, options, flags) : ERR_PTR(-ENODEV);
	int err = IS_ERR(sb) ? PTR_ERR(sb) : mount_on(target, sb, flags);

	if (err)
		log_info("%s is not mounted on %s: %s\n", type, target, strerrordesc_np(-err));
}

static void mount_option(const struct mount_option *m)
{
	u64 flags = m->read_only ? MS_RDONLY : 0;
	bool humfs = !strcmp(m->type, "humfs");
	struct super_block *sb = NULL;
	int err = 0;

	if (!strcmp(m->type, "tmpfs"))
		sb = tmpfs_fs_type.mount(&tmpfs_fs_type, m->source, NULL, flags);
	else if (humfs)
		err = humfs_mount_dir(m->source, !m->read_only, &sb);
	else
		err = mount_hostfs(m->source, !m->read_only, &m->hostfs, &sb);
	if (!err)
		err = IS_ERR(sb) ? PTR_ERR(sb) : mount_on(m->target, sb, flags);
	if (err)
		boot_fail(EXIT_SETUP, "--mount %s:%s:%s: %s", m->type, m->source, m->target,
			  mount_error(humfs, err));
}

static void mount_all(void)
{
	mount_root_fs();
	mount_type("proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_type("sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_type("devtmpfs", "/dev", NULL, MS_NOSUID);
	mount_type("devpts", "/dev/pts", NULL, MS_NOSUID | MS_NOEXEC);
	mount_type("tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV);
	for (int i = 0; i < opt->nmounts; i++)
		mount_option(&opt->mounts[i]);
}

/* ---- the first process ---- */

static void open_std_files(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct file *f;
		int err = console_open_std(fd, &f), got;

		if (err == -EBADF)
			continue;
		got = err ? err : fd_reserve(fd, false);
		if (got < 0)
			boot_fail(EXIT_SETUP, "descriptor %d: %s", fd, strerrordesc_np(-got));
		fd_install(got, f);
	}
}

static void enter_workdir(void)
{
	const char *dir = opt->workdir ? opt->workdir : opt->host_workdir;
	struct path p, old;
	int err;

	err = path_lookup(AT_FDCWD, dir ? dir : "/", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	if (err && opt->workdir)
		boot_fail(EXIT_SETUP, "--workdir %s: %s", dir, strerrordesc_np(-err));
	if (err)
		return; /* the guest doesn't have our directory: / it is */
	spin_lock(&current->fs->lock);
	old = current->fs->pwd;
	current->fs->pwd = p;
	spin_unlock(&current->fs->lock);
	path_put(&old);
}

static const char *env_get(char **env, const char *key)
{
	size_t n = strlen(key);

	for (; *env; env++)
		if (!strncmp(*env, key, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Ours or none, with --env on top; a guest without PATH gets one. */
static char **make_env(void)
{
	char **from = opt->clean_env ? (char *[]){NULL} : environ, **env;
	int n = 0, have = 0;

	while (from[n])
		n++;
	env = kcalloc(n + opt->nenv + 2, sizeof(*env)); /* PATH, and NULL */
	if (!env)
		boot_fail(EXIT_SETUP, "out of memory");
	for (int i = 0; i < n; i++) {
		size_t key = strcspn(from[i], "=") + 1;
		bool replaced = false;

		for (int j = 0; j < opt->nenv; j++)
			replaced |= !strncmp(opt->env[j], from[i], key);
		if (!replaced)
			env[have++] = from[i];
	}
	for (int j = 0; j < opt->nenv; j++)
		env[have++] = (char *)opt->env[j];
	if (!env_get(env, "PATH"))
		env[have++] = "PATH=" DEFAULT_PATH;
	return env;
}

/* The program through PATH, as a shell would. Returns only on failure, with the error to report. */
static int exec_in_path(char **argv, char **env)
{
	const char *path = env_get(env, "PATH"), *end;
	int err = -ENOENT;

	if (strchr(argv[0], '/'))
		return do_execve(AT_FDCWD, argv[0], argv, env, 0);
	for (; path; path = *end ? end + 1 : NULL) {
		char *name;
		int e;

		end = strchrnul(path, ':');
		name = kasprintf("%.*s/%s", end == path ? 1 : (int)(end - path),
				 end == path ? "." : path, argv[0]);
		if (!name)
			return -ENOMEM;
		e = do_execve(AT_FDCWD, name, argv, env, 0);
		kfree(name);
		if (!e)
			return 0;
		if (e != -ENOENT && e != -ENOTDIR && err == -ENOENT)
			err = e;
	}
	return err;
}

static void set_user(void)
{
	struct cred *c;

	if (!opt->user_given)
		return;
	c = cred_new(opt->uid, opt->gid);
	if (!c)
		boot_fail(EXIT_SETUP, "out of memory");
	console_set_owner(opt->uid);
	cred_commit(c);
}

static void init_start(struct task *t)
{
	static char *shell[] = {"/bin/bash", NULL};
	char **argv = opt->argv ? opt->argv : shell, **env;
	int err;

	mount_all();
	open_std_files();
	enter_workdir();
	if (console_tty())
		tty_adopt(console_tty(), t->tg);
	set_user();
	env = make_env();
	err = exec_in_path(argv, env);
	kfree(env);
	if (err == -ENOENT)
		boot_fail(127, "%s: not found in the guest", argv[0]);
	if (err)
		boot_fail(126, "%s: %s", argv[0], strerrordesc_np(-err));
	boot_faults(false);
}

static void init_limits(struct thread_group *tg)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		tg->rlim[i] = (struct racy_rlimit){RLIM64_INFINITY, RLIM64_INFINITY};
	tg->rlim[RLIMIT_STACK].rlim_cur = 8 << 20;
	tg->rlim[RLIMIT_CORE].rlim_cur = 0;
	tg->rlim[RLIMIT_NOFILE] = (struct racy_rlimit){1024, 1 << 20};
	tg->rlim[RLIMIT_MEMLOCK] = (struct racy_rlimit){8 << 20, 8 << 20};
	tg->rlim[RLIMIT_MSGQUEUE] = (struct racy_rlimit){819200, 819200};
	tg->rlim[RLIMIT_NICE] = tg->rlim[RLIMIT_RTPRIO] = (struct racy_rlimit){0, 0};
	tg->rlim[RLIMIT_NPROC] = (struct racy_rlimit){tasks_max() / 2, tasks_max() / 2};
	tg->rlim[RLIMIT_SIGPENDING] = tg->rlim[RLIMIT_NPROC];
}

static int init_group(struct task *t)
{
	struct thread_group *tg = tg_alloc();
	struct pid *pid = pid_alloc();

	if (!tg || IS_ERR(pid))
		return -ENOMEM;
	t->tg = tg;
	tg->leader = t;
	t->refs += 2; /* the group's on its leader, the tree's */
	tg->refs++;
	tg->sighand = sighand_new(NULL);
	if (!tg->sighand)
		return -ENOMEM;
	tg->exit_signal = SIGCHLD;
	init_limits(tg);
	itimers_init(tg);
	spin_lock(&tasklist_lock);
	pid_attach(pid, t);
	pid->tg = tg;
	tg_set_pgrp_locked(tg, pid);
	tg_set_session_locked(tg, pid);
	cds_list_add_tail(&t->group_link, &tg->threads);
	tg->nr_threads = 1;
	spin_unlock(&tasklist_lock);
	return 0;
}

void boot_faults(bool boot)
{
	u64 seed;

	if (fault_start(boot, &seed))
		log_warn("faults of the host are chosen by --fault seed=%lu\n", seed);
}

int boot_start(const struct options *o)
{
	struct task *t = task_alloc("init");
	struct context *ctx;
	struct mm *mm;

	if (!t)
		return -ENOMEM;
	opt = o;
	if (o->hostname)
		uts_set_hostname(o->hostname);
	t->cred = cred_new(0, 0);
	t->files = files_new();
	if (!t->cred || IS_ERR_OR_NULL(t->files) || init_group(t))
		return -ENOMEM;
	t->cred->user->processes++;
	mm = mm_create(&ctx);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	t->mm = mm;
	task_set_context(t, ctx);
	t->start = init_start;
	init_task = t;
	kthread_start(&t->kt);
	return 0;
}

int boot_result(void)
{
	if (setup_status)
		return setup_status;
	return init_exit_status & 0x7f ? 128 + (init_exit_status & 0x7f)
				       : init_exit_status >> 8 & 0xff;
}
