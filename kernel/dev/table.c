/* Which character devices there are. */
#include "dev.h"
#include "fs.h"

#define DEVICE(id, path, number, perm, fops)                                                       \
	static const struct char_device id = {                                                     \
		.name = (path), .dev = (number), .mode = (perm), .ops = &(fops)}

DEVICE(dev_null, "null", DEV_NULL, 0666, null_fops);
DEVICE(dev_zero, "zero", DEV_ZERO, 0666, zero_fops);
DEVICE(dev_full, "full", DEV_FULL, 0666, full_fops);
DEVICE(dev_random, "random", DEV_RANDOM, 0666, random_fops);
DEVICE(dev_urandom, "urandom", DEV_URANDOM, 0666, urandom_fops);
DEVICE(dev_tty, "tty", DEV_TTY, 0666, dev_tty_fops);
DEVICE(dev_console, "console", DEV_CONSOLE, 0620, console_fops);

const struct char_device *const char_devices[] = {
	&dev_null, &dev_zero, &dev_full, &dev_random, &dev_urandom, &dev_tty, &dev_console, NULL,
};

const struct file_operations *chrdev_ops(dev_t dev)
{
	for (int i = 0; char_devices[i]; i++)
		if (char_devices[i]->dev == dev)
			return char_devices[i]->ops;
	if (dev == DEV_PTMX) /* its node is devpts' */
		return &ptmx_fops;
	if (major(dev) >= PTS_MAJOR && major(dev) < PTS_MAJOR + 16)
		return &pts_fops;
	return NULL;
}
