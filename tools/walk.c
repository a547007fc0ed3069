/*
 * Walks the three trees of a humfs together. Descriptors are kept of the nearest levels only: of
 * those above, what tells that a way up by ".." has led there again.
 */
#include "tools/humfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEAREST 32

/* One of the path of what is visited just now. */
struct path {
	char *text;
	size_t room;
};

static void path_append(struct path *p, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len + n + 2 > p->room) {
		p->room = (len + n + 2) * 2;
		p->text = xrealloc(p->text, p->room);
	}
	if (len)
		p->text[len++] = '/';
	memcpy(p->text + len, name, n + 1);
}

struct humfs_level *level_new(struct humfs_level *up, int data, int fmeta, int dmeta,
			      const char *path)
{
	struct humfs_level *l = xmalloc(sizeof(*l));

	*l = (struct humfs_level){
		.up = up,
		.fd = {data, fmeta, dmeta},
		.path_len = strlen(path),
	};
	return l;
}

/* Its descriptors are for others. */
static void put_away(struct humfs_level *l, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->fd); i++) {
		struct stat st;

		if (fstat(l->fd[i], &st) < 0)
			die("%s: %m", path);
		l->id[i] = (struct humfs_id){st.st_dev, st.st_ino};
		close(l->fd[i]);
		l->fd[i] = -1;
	}
}

static void take_up(struct humfs_level *l, const struct humfs_level *from, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->fd); i++) {
		struct stat st;

		l->fd[i] = open_dir(from->fd[i], "..");
		if (l->fd[i] < 0 || fstat(l->fd[i], &st) < 0)
			die("%s/..: %m", path);
		if (st.st_dev != l->id[i].dev || st.st_ino != l->id[i].ino)
			die("%s: somebody has moved it meanwhile", path);
	}
}

/* The walk is at l. */
static void entered(struct humfs_level *l, struct humfs_level **highest, const char *path)
{
	l->depth = l->up->depth + 1;
	l->up->down = l;
	if (l->depth - (*highest)->depth == NEAREST) {
		put_away(*highest, path);
		*highest = (*highest)->down;
	}
}

static struct humfs_level *leave(struct humfs_level *l, struct humfs_level **highest,
				 const char *path)
{
	struct humfs_level *up = l->up;

	if (l == *highest) {
		if (up)
			take_up(up, l, path);
		*highest = up;
	}
	for (size_t i = 0; i < ARRAY_SIZE(l->fd); i++)
		close(l->fd[i]);
	names_free(&l->names);
	free(l);
	return up;
}

void walk_tree(struct humfs_level *l, const struct walker *w, void *arg)
{
	struct humfs_level *highest = l, *in;
	struct path p = {0};
	const char *name;
	struct stat st;

	while (l) {
		if (l->next == l->names.n) {
			if (p.text)
				p.text[l->path_len] = '\0';
			l = leave(l, &highest, p.text);
			continue;
		}
		name = l->names.name[l->next++];
		path_append(&p, l->path_len, name);
		if (fstatat(l->data, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die("%s: %m", p.text);
		if (!S_ISDIR(st.st_mode)) {
			w->file(arg, l, name, p.text, &st);
			continue;
		}
		in = w->dir(arg, l, name, p.text);
		if (in != l)
			entered(in, &highest, p.text);
		l = in;
	}
	free(p.text);
}
