/*
 * The lock order, outermost first. A lock may be taken only while every lock already held has a
 * lower rank (a debug build checks it). Two locks of one rank may nest only where
 * spin_lock_nested() says so.
 *
 * Sleeping locks (mutex, rwsem) come first: none may be taken while a spinlock is held.
 */
#ifndef HEDDLE_LOCKRANK_H
#define HEDDLE_LOCKRANK_H

enum lock_rank {
	/* sleeping locks */
	/* epoll instances (outer before inner): they call poll operations, which may take what
	   follows */
	RANK_EPOLL = 1,
	RANK_FILE_POS, /* file->pos_lock: reads and writes take what follows (two: by address) */
	RANK_SEQ,      /* the text of an open /proc file, while it is made */
	RANK_SMAPS,    /* who makes the text of an smaps, which takes megabytes: one at a time */
	RANK_MMAP,     /* mm->lock: the vma table; before inodes, because mapping a file may have to
			  turn it into a mappable one */
	RANK_MOUNT,    /* the mount table */
	RANK_RENAME,   /* rename across directories: one at a time for each super block */
	RANK_INODE_DIR,	  /* directory inode (parents before children; two by address) */
	RANK_INODE,	  /* inode of a file: writes, truncate, size */
	RANK_COPY_FILL,	  /* a file of an overlay in a directory: one copier each */
	RANK_COPY_UP,	  /* an overlay's names in a directory: what is copied there, what goes */
	RANK_INODE_LOWER, /* inodes of the layers below an overlay (dirs by address, then files) */
	RANK_JOURNAL,	  /* of a humfs: one rename at a time */
	RANK_SOCK,	  /* a socket's readers */
	RANK_UNIX_GC,	  /* sockets that travel in messages */
	RANK_PIPE,	  /* a pipe's buffer */
	RANK_STUB,	  /* mm->stub_lock: keeper batches */
	RANK_SLEEPING_LAST,
	/* spinning locks */
	RANK_TASKLIST,	 /* process tree: parent, children, sessions, groups */
	RANK_SIGHAND,	 /* thread_group->siglock: signal state of the group and its tasks */
	RANK_SIGACTION,	 /* sighand->lock: dispositions */
	RANK_FILES,	 /* fd table updates */
	RANK_FS,	 /* cwd, root, umask */
	RANK_DCACHE,	 /* rename_lock, then one of: a dentry->lock, the LRU's */
	RANK_FILE_LOCKS, /* the list of inodes that have had file locks */
	RANK_INODE_SPIN, /* inode cache, small inode state, file locks */
	RANK_FH,	 /* fh state */
	RANK_UNIX_NAMES, /* abstract socket names: a hash bucket */
	RANK_UNIX_SOCK, /* a socket's state and queue (pairs by address; a listener before those who
			   wait in its queue) */
	RANK_FASYNC,	/* a list of files with O_ASYNC */
	RANK_MISC,	/* leaf-ish locks of small drivers */
	RANK_FUTEX,	/* a futex hash bucket (two: by address) */
	RANK_PTYS,  /* numbers of ptys: taken by the last tty_put(), which comes under anything */
	RANK_WAITQ, /* wait_queue->lock */
	RANK_POLLQ, /* the queue of one poller; taken from within wait-queue callbacks */
	RANK_TIMER, /* a CPU's timer heap */
	RANK_RQ,    /* a CPU's run queue */
	RANK_TEMPLATE, /* os/: the template's batches, while its fork is waited for */
	RANK_OS,       /* host-side bookkeeping (os/) */
	RANK_LOG,
};

#endif
