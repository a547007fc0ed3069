/* Our vDSO: the embedded image with the addresses of the host's clock functions filled in. */
#include "os/vdso.h"
#include "alloc.h"
#include <asm/hwcap2.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char vdso_so_start[], vdso_so_end[];

/* In the order of stub/vdso/vdso.S. */
static const char *const functions[] = {
	"__vdso_clock_gettime",
	"__vdso_gettimeofday",
	"__vdso_time",
	"__vdso_clock_getres",
};

/*
 * Fills the table in. The host's functions keep their offsets in its image, wherever that is
 * mapped.
 */
static int fill_targets(u8 *image, size_t size, uaddr_t host_vdso)
{
	void *host = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	u64 *targets = memmem(image, size, "targets0", 8), base = getauxval(AT_SYSINFO_EHDR);

	if (!host || !targets || !base)
		return -ENOSYS;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		u64 f = (u64)dlsym(host, functions[i]);

		if (!f)
			return -ENOSYS;
		targets[i] = host_vdso + (f - base);
	}
	targets[ARRAY_SIZE(functions)] = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
	return 0;
}

int vdso_image(uaddr_t host_vdso, size_t *size)
{
	size_t n = vdso_so_end - vdso_so_start;
	u8 *image = kmemdup(vdso_so_start, n);
	int fd = -ENOMEM;

	if (!image)
		return -ENOMEM;
	*size = PAGE_ALIGN(n);
	fd = fill_targets(image, n, host_vdso);
	if (fd == 0) {
		fd = memfd_create("heddle-vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd < 0)
			fd = -errno;
	}
	if (fd > 0 && (write(fd, image, n) != (ssize_t)n || ftruncate(fd, *size) < 0 ||
		       fcntl(fd, F_ADD_SEALS,
			     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
		close(fd);
		fd = -EIO;
	}
	kfree(image);
	return fd;
}
