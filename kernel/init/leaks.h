/* References that nobody gave back: looked for at the end of a debug build's life. */
#ifndef HEDDLE_KERNEL_INIT_LEAKS_H
#define HEDDLE_KERNEL_INIT_LEAKS_H

#ifdef HEDDLE_DEBUG
/*
 * The first program's last task is about to end. If it is alone, takes the file systems down; a
 * panic names what is left that should be gone. Sleeps, for ten seconds at most where others are
 * still ending.
 */
void leaks_check(void);
#else
static inline void leaks_check(void)
{
}
#endif

#endif
