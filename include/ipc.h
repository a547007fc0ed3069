/* Boot of kernel/ipc/. */
#ifndef HEDDLE_IPC_H
#define HEDDLE_IPC_H

#include "types.h"

must_check int ipc_init(void);

#endif
