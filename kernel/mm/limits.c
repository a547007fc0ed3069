/* Resource limits of address spaces, as mm/mmap.c and mm/mlock.c of Linux have them. */
#include "kernel/mm/limits.h"
#include "cred.h"
#include "task.h"
#include <linux/capability.h>
#include <sys/resource.h>

static u64 limit(int resource)
{
	return current->tg->rlim[resource].rlim_cur;
}

/* Private memory that can be written, but for the stack. */
static bool is_data(u32 vmflags)
{
	return (vmflags & (VM_WRITE | VM_SHARED | VM_STACK)) == VM_WRITE;
}

static bool data_fits(const struct mm *mm, u64 pages)
{
	u64 max = limit(RLIMIT_DATA);

	if (!max) /* on Linux for the sake of Valgrind, which sets it so */
		max = current->tg->rlim[RLIMIT_DATA].rlim_max;
	return mm->data_pages + pages <= max >> PAGE_SHIFT;
}

bool may_expand_vm(const struct mm *mm, u32 vmflags, u64 pages)
{
	return mm->total_pages + pages <= limit(RLIMIT_AS) >> PAGE_SHIFT &&
	       (!is_data(vmflags) || data_fits(mm, pages));
}

bool may_become_data(const struct mm *mm, u64 pages)
{
	return !pages || data_fits(mm, pages);
}

bool may_set_brk(const struct mm *mm, uaddr_t addr)
{
	u64 data = mm->data_end - mm->data_start;

	return addr - mm->brk_start + data <= limit(RLIMIT_DATA);
}

bool can_do_mlock(void)
{
	return limit(RLIMIT_MEMLOCK) || capable(CAP_IPC_LOCK);
}

bool mlock_future_ok(const struct mm *mm, u32 vmflags, u64 pages)
{
	return !(vmflags & VM_LOCKED) ||
	       mm->locked_pages + pages <= limit(RLIMIT_MEMLOCK) >> PAGE_SHIFT ||
	       capable(CAP_IPC_LOCK);
}
