/*
 * What sanitizers do unless the environment says otherwise (ASAN_OPTIONS and so on): the first
 * report ends the kernel, with a status that no test takes for anything else. Descriptors order
 * nothing (io_sync): who passes data by a file of the host's needs a lock of ours.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* They are asked before the tools are ready for instrumented code. */
#define OPTIONS(tool, text)                                                                        \
	const char *__##tool##_default_options(void);                                              \
	__attribute__((no_sanitize("address", "thread", "undefined")))                             \
	const char *__##tool##_default_options(void)                                               \
	{                                                                                          \
		return text;                                                                       \
	}

OPTIONS(asan, "exitcode=66")
OPTIONS(ubsan, "exitcode=66")
OPTIONS(tsan, "exitcode=66:halt_on_error=1:atexit_sleep_ms=0:io_sync=0")

#else

typedef int not_instrumented; /* a file has to have something in it */

#endif
