/*
 * Writing text under threads that run there.
 *
 * What lies in 8 aligned bytes is written at once. Else the first two bytes become a jump to
 * themselves until the last ones are right; so they have to be in one word. The host interrupts all
 * who run in this memory after each write, since that changes permissions: nobody goes on with
 * bytes he fetched before.
 */
#include "kernel/patch/patch_priv.h"
#include "log.h"
#include <string.h>

#define WORD 8UL
#define JUMP_SIZE 2 /* a jump to itself */

/* n bytes at addr, all in [w, w + WORD). */
static int word_write(struct mm *mm, uaddr_t w, uaddr_t addr, const u8 *bytes, size_t n)
{
	u8 word[WORD];
	u64 old, val;

	if (host_mm_read(mm->host, word, w, WORD) != WORD)
		return -EFAULT;
	memcpy(&old, word, WORD);
	memcpy(word + (addr - w), bytes, n);
	memcpy(&val, word, WORD);
	return val == old ? 0 : host_mm_text_write(mm->host, w, old, val);
}

/*
 * Can the word be written? What may fail, fails here: the host's copy of its page, the split of the
 * mapping.
 */
static int word_try(struct mm *mm, uaddr_t w)
{
	u64 word;

	if (host_mm_read(mm->host, &word, w, WORD) != WORD)
		return -EFAULT;
	return host_mm_text_write(mm->host, w, word, word);
}

bool text_writable(uaddr_t addr)
{
	return addr % WORD <= WORD - JUMP_SIZE;
}

/* From whatever is at addr. What is so already isn't written. */
static int two_words_write(struct mm *mm, uaddr_t addr, const u8 *bytes, size_t n, size_t head)
{
	static const u8 wait[JUMP_SIZE] = {0xeb, 0xfe};
	uaddr_t first = addr & ~(WORD - 1), second = first + WORD;
	int err = word_write(mm, first, addr, wait, sizeof(wait));

	if (!err)
		err = word_write(mm, second, second, bytes + head, n - head);
	return err ? err : word_write(mm, first, addr, bytes, head);
}

int text_write(struct mm *mm, uaddr_t addr, const u8 *bytes, size_t n)
{
	uaddr_t first = addr & ~(WORD - 1);
	size_t head = min(n, first + WORD - addr);
	u8 old[WORD];
	int err, err2;

	ASSERT(n <= WORD);
	if (host_mm_read(mm->host, old, addr, n) != n)
		return -EFAULT;
	if (head == n) {
		err = word_write(mm, first, addr, bytes, n);
		err2 = err ? word_write(mm, first, addr, old, n) : 0;
	} else {
		err = text_writable(addr) ? word_try(mm, first + WORD) : -EBUSY;
		if (err)
			return err;
		err = two_words_write(mm, addr, bytes, n, head);
		err2 = err ? two_words_write(mm, addr, old, n, head) : 0;
	}
	if (err2)
		log_warn("text at %#lx can't be put back: %d\n", addr, err2);
	return err;
}

int dead_write(struct mm *mm, uaddr_t addr, const u8 jump[PAD_SIZE], size_t room)
{
	u8 bytes[PAD_ROOM_MAX];
	int err = 0;

	ASSERT(room >= PAD_SIZE && room <= sizeof(bytes));
	memset(bytes, 0x90, sizeof(bytes));
	memcpy(bytes, jump, PAD_SIZE);
	for (size_t done = 0, n; done < room && !err; done += n) {
		uaddr_t at = addr + done;

		n = min(room - done, WORD - at % WORD);
		err = word_write(mm, at & ~(WORD - 1), at, bytes + done, n);
	}
	return err;
}
