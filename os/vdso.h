/* The image of our vDSO, whose clock functions jump to the host's. */
#ifndef HEDDLE_OS_VDSO_H
#define HEDDLE_OS_VDSO_H

#include "types.h"

/*
 * A sealed memfd with the image, for host vDSO code that lies at `host_vdso` in guests; its size in
 * *size. -errno; -ENOSYS: the host has none.
 */
must_check int vdso_image(uaddr_t host_vdso, size_t *size);

#endif
