/* Walks the three trees of a humfs together. */
#include "tools/humfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct humfs_level *level_new(struct humfs_level *up, int data, int fmeta, int dmeta, char *path)
{
	struct humfs_level *l = xmalloc(sizeof(*l));

	*l = (struct humfs_level){up, data, fmeta, dmeta, path, {NULL, 0}, 0};
	return l;
}

static struct humfs_level *leave(struct humfs_level *l)
{
	struct humfs_level *up = l->up;

	close(l->data);
	close(l->fmeta);
	close(l->dmeta);
	names_free(&l->names);
	free(l->path);
	free(l);
	return up;
}

void walk_tree(struct humfs_level *l, const struct walker *w, void *arg)
{
	while (l) {
		const char *name;
		struct stat st;
		char *path;

		if (l->next == l->names.n) {
			l = leave(l);
			continue;
		}
		name = l->names.name[l->next++];
		path = join(l->path, name);
		if (fstatat(l->data, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			die("%s: %m", path);
		if (S_ISDIR(st.st_mode)) {
			l = w->dir(arg, l, name, path);
			continue;
		}
		w->file(arg, l, name, path, &st);
		free(path);
	}
}
