# Heddle: a user-mode SMP kernel for Linux x86-64.  `make help` lists the targets.
# A private build directory: make BUILD=/some/dir (several builds at once must not share one).

VERSION = 0.1
MODE    = release
BUILD   = build
PREFIX  = /usr/local
DESTDIR =

CC      = gcc
AWK     = awk
INSTALL = install

# Operation tables make unused parameters normal; everything else of -Wextra stays on.
WARN   = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
INC    = -iquote include -iquote $(BUILD)/gen -iquote .
COMMON = -std=gnu11 -g $(WARN) $(INC) -D_GNU_SOURCE -DHEDDLE_VERSION='"$(VERSION)"'

OPT_release = -O2
OPT_debug   = -O1 -g3 -DHEDDLE_DEBUG
# Instrumented code draws warnings that don't hold.
OPT_asan    = -O1 -DHEDDLE_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-error
OPT_tsan    = -O1 -DHEDDLE_DEBUG -fsanitize=thread --param tsan-distinguish-volatile=1 -Wno-error

CFLAGS  = $(COMMON) $(OPT_$(MODE)) -fno-omit-frame-pointer -fno-pie -pthread \
	  -ftls-model=initial-exec -fno-strict-aliasing
LDFLAGS = -no-pie -pthread $(filter -fsanitize=%,$(OPT_$(MODE)))
LIBS    = -Wl,-Bstatic -lurcu-cds -lurcu-qsbr -lurcu-common -Wl,-Bdynamic -lseccomp -lZydis

# Code that runs in guest address spaces: no libc, no vector registers, position given by the link.
FREE = $(COMMON) -O2 -ffreestanding -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
       -mgeneral-regs-only -mno-sse -mno-mmx -mno-80387
STUB_CFLAGS  = $(FREE) -fno-pic -mcmodel=large
STUB_LDFLAGS = -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack
VDSO_CFLAGS  = $(FREE) -fpic -fvisibility=hidden
VDSO_LDFLAGS = -shared -nostdlib -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none \
	       -Wl,-z,noexecstack -Wl,-z,max-page-size=4096

SRCS      = $(sort $(shell find kernel smp os fh -name '*.[cS]' 2>/dev/null))
TOOL_SRCS = $(sort $(wildcard tools/*.c)) kernel/fs/humfs/format.c os/sanitize.c
STUB_SRCS = $(sort $(wildcard stub/*.c stub/*.S))
VDSO_SRCS = $(sort $(wildcard stub/vdso/*.c stub/vdso/*.S))
GEN_SRCS  = $(if $(wildcard kernel/syscalls.def),$(BUILD)/gen/syscall_table.c)
GEN_HDRS  = $(if $(wildcard kernel/syscalls.def),$(BUILD)/gen/syscall_protos.h $(BUILD)/gen/stub_copies.h)

obj       = $(addprefix $(BUILD)/obj/,$(addsuffix .o,$(basename $(1))))
OBJS      = $(call obj,$(SRCS)) $(GEN_SRCS:.c=.o)
TOOL_OBJS = $(call obj,$(TOOL_SRCS))
STUB_OBJS = $(call obj,$(STUB_SRCS))
VDSO_OBJS = $(call obj,$(VDSO_SRCS))
BLOBS     = $(if $(STUB_SRCS),$(BUILD)/zygote_elf.o) $(if $(VDSO_SRCS),$(BUILD)/vdso_so.o)
# What unit tests link with: everything but main().
LIB_OBJS  = $(filter-out %/main.o,$(OBJS)) $(BLOBS)

# One short line a step; V=1 shows the commands.
quiet = $(if $(V),,@echo '  $(1)	$@';)

# Use every core unless -j was given; a sub-make gets its share from its parent.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
endif

.PHONY: all lib objs deps demo check check-quick check-debug check-asan check-tsan check-mutants unit guest-tests app-tests fuzz bench bench-peers stress soak stress-ng lint layering format \
	install debug asan tsan clean help
.DELETE_ON_ERROR:

all: $(BUILD)/heddle $(BUILD)/heddle-tools

$(BUILD)/heddle: $(OBJS) $(BLOBS) $(BUILD)/.link
	$(call quiet,LD)$(CC) $(LDFLAGS) -o $@ $(OBJS) $(BLOBS) $(LIBS)

# What works on the host's files without a kernel: `heddle humfs` and `heddle diff` execute it.
$(BUILD)/heddle-tools: $(TOOL_OBJS)
	$(call quiet,LD)$(CC) $(LDFLAGS) -o $@ $(TOOL_OBJS) -larchive

lib: $(BUILD)/libheddle.a

$(BUILD)/libheddle.a: $(LIB_OBJS) $(BUILD)/.link
	$(call quiet,AR)rm -f $@ && ar -rcs $@ $(LIB_OBJS)

$(BUILD)/obj/stub/vdso/%.o: stub/vdso/%.c $(BUILD)/.flags | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(VDSO_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/stub/vdso/%.o: stub/vdso/%.S $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(VDSO_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/stub/%.o: stub/%.c $(BUILD)/.flags | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(STUB_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/stub/%.o: stub/%.S $(BUILD)/.flags | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(STUB_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.S $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/.flags | $(GEN_HDRS)
	$(call quiet,CC)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Images that heddle maps into guests, embedded whole: NAME_start and NAME_end.
$(BUILD)/zygote.elf: $(STUB_OBJS) stub/stub.lds
	$(call quiet,LD)$(CC) $(STUB_LDFLAGS) -Wl,-T,stub/stub.lds -o $@ $(STUB_OBJS)

$(BUILD)/vdso.so: $(VDSO_OBJS) stub/vdso/vdso.lds
	$(call quiet,LD)$(CC) $(VDSO_LDFLAGS) -Wl,-T,stub/vdso/vdso.lds -o $@ $(VDSO_OBJS)

$(BUILD)/zygote_elf.o: $(BUILD)/zygote.elf scripts/blob.S
	$(call quiet,AS)$(CC) -DNAME=zygote_elf -DIMAGE='"$<"' -c -o $@ scripts/blob.S

$(BUILD)/vdso_so.o: $(BUILD)/vdso.so scripts/blob.S
	$(call quiet,AS)$(CC) -DNAME=vdso_so -DIMAGE='"$<"' -c -o $@ scripts/blob.S

# Everything that is said about system calls is generated from one table. A result that stays the same keeps its
# date, so that an edit of a note compiles nothing.
generate = @mkdir -p $(@D) && $(AWK) -v out=$(1) -f kernel/syscalls.awk kernel/syscalls.def >$@.new \
	   && if cmp -s $@.new $@; then rm $@.new; else echo '  GEN	$@'; mv $@.new $@; fi

$(BUILD)/gen/syscall_protos.h: kernel/syscalls.def kernel/syscalls.awk
	$(call generate,protos)

$(BUILD)/gen/syscall_table.c: kernel/syscalls.def kernel/syscalls.awk
	$(call generate,table)

$(BUILD)/gen/stub_copies.h: kernel/syscalls.def kernel/syscalls.awk
	$(call generate,copies)

docs/syscalls.md: kernel/syscalls.def kernel/syscalls.awk
	$(call generate,docs)

# The tables of docs/security.md; the text around them is written by hand.
$(BUILD)/filters: scripts/filters.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) -std=gnu11 -O1 $(WARN) -o $@ $<

docs/security.md: $(BUILD)/zygote.elf $(BUILD)/filters $(GEN_HDRS) FORCE
	@scripts/security-doc $(BUILD) <$@ >$(BUILD)/security.md
	@cmp -s $(BUILD)/security.md $@ || { echo '  GEN	$@'; cp $(BUILD)/security.md $@; }

# Rebuild when flags change, relink when a source file appears or goes.
stamp = @mkdir -p $(@D); echo '$(subst ','\'',$(1))' | cmp -s - $@ || echo '$(subst ','\'',$(1))' >$@
$(BUILD)/.flags: FORCE
	$(call stamp,$(CC) $(CFLAGS) $(STUB_CFLAGS) $(VDSO_CFLAGS))
$(BUILD)/.link: FORCE
	$(call stamp,$(LDFLAGS) $(LIBS) $(OBJS) $(BLOBS))
FORCE:

# The objects of one folder: make objs DIR=kernel/fs
objs: $(call obj,$(filter $(DIR)/%,$(SRCS) $(STUB_SRCS)))

debug asan tsan:
	+@$(MAKE) --no-print-directory MODE=$@ BUILD=$(BUILD)/$@ all

deps:
	@scripts/deps

demo:
	@scripts/deps build
	+@$(MAKE) --no-print-directory all
	@tests/demo.sh $(BUILD)/heddle

# In continuous integration both engines have to work.
check: deps
	+@$(MAKE) --no-print-directory all lib
	@$(if $(CI),REQUIRE_ENGINES="$${REQUIRE_ENGINES-ptrace seccomp}") tests/run-all -b $(BUILD)

check-quick:
	+@$(MAKE) --no-print-directory all lib
	@QUICK=1 tests/run-all -b $(BUILD)

# All tests, storms with a migration at every schedule, and a minute of load with a kernel that checks itself. It is slower, so everything gets more time,
# and sanitizers see each guest program only as a dynamic one. CPUS='1 2 16' for others, CPUS= for each test's own numbers.
CPUS = 4
check-debug check-asan check-tsan: check-%: deps
	+@$(MAKE) --no-print-directory MODE=$* BUILD=$(BUILD)/$* all lib
	@export SLOW=4 STATIC=$(if $(filter debug,$*),yes,no) T_TIME_LIMIT=240 PATIENCE=240; bad=0; \
	UNIT_CFLAGS='$(filter -DHEDDLE_DEBUG -fsanitize=% --param tsan-%,$(OPT_$*))' \
		tests/run-all -b $(BUILD)/$* $(if $(CPUS),-c '$(CPUS)') -j 6 || bad=1; \
	stress/run -b $(BUILD)/$* -t 60 & \
	tests/run-guest -b $(BUILD)/$* -c 4m -j 4 storm storms storms_end threads_race exec_threads || bad=1; \
	wait $$! || bad=1; \
	exit $$bad

# Do the checkers see what they are there for?
check-mutants: deps
	+@$(MAKE) --no-print-directory MODE=tsan BUILD=$(BUILD)/tsan all
	@tests/run-mutants -b $(BUILD)

unit: lib
	@tests/run-unit -b $(BUILD)

guest-tests: all
	@tests/run-guest -b $(BUILD)

app-tests: all
	@tests/run-apps -b $(BUILD)

# All of stress/ with fixed seeds, T seconds on each engine; `soak`: an hour, if nothing else is said.
T = 600
soak: T = 1800
stress soak: all
	@stress/soak -b $(BUILD) -t $(T)

# Debian's stress-ng on the host and in guests.
stress-ng: deps
	+@$(MAKE) --no-print-directory all
	@stress/stress-ng -b $(BUILD)

# Parsers of what anybody may have written, with T seconds for each.
fuzz: deps
	@tests/fuzz/run -b $(BUILD) -t $(T)

bench: all
	@tests/bench/run -b $(BUILD)

bench-peers: all
	@tests/bench/run -b $(BUILD) -p

lint: deps
	+@$(MAKE) --no-print-directory all $(BUILD)/filters
	@scripts/lint $(BUILD)

layering: $(OBJS)
	@scripts/layering $(BUILD)

format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

install: all
	$(INSTALL) -D -m 755 $(BUILD)/heddle '$(DESTDIR)$(PREFIX)/bin/heddle'
	$(INSTALL) -D -m 755 $(BUILD)/heddle-tools '$(DESTDIR)$(PREFIX)/libexec/heddle/heddle-tools'
	$(INSTALL) -D -m 644 docs/heddle.1 '$(DESTDIR)$(PREFIX)/share/man/man1/heddle.1'
	$(INSTALL) -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/heddle' docs/*.md
	$(INSTALL) -D -m 644 scripts/heddle.bash-completion \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/heddle'

clean:
	rm -rf $(BUILD)

help:
	@echo 'make               $(BUILD)/heddle'
	@echo 'make deps          install what is missing of the Debian 12 packages that building, tests and lint need'
	@echo 'make demo          compile a program with make -j4 inside a guest and run it'
	@echo 'make check         unit, guest, application and hostile tests (check-quick: under two minutes)'
	@echo 'make check-debug check-asan check-tsan    the same on 4 CPUs, in builds that check locks, memory, races'
	@echo '                   (CPUS="1 2 16" on others, CPUS= on as many as each test wants)'
	@echo 'make check-mutants kernels with one protection less: are they caught?'
	@echo 'make unit guest-tests app-tests    one kind of tests'
	@echo 'make bench         native, heddle by each engine, and their ratios'
	@echo 'make bench-peers   the same with user-mode-linux and runsc, where they are installed'
	@echo 'make stress        everything in stress/, with fixed seeds, T=$(T) seconds on each engine: what leaks or hangs?'
	@echo 'make soak          the same for an hour'
	@echo 'make stress-ng     its stressors on the host and in guests: where do they end differently?'
	@echo 'make fuzz          T=$(T) seconds of libFuzzer on each parser of foreign files'
	@echo 'make lint          format, static analysis, layering, headers, generated documents'
	@echo 'make format        apply clang-format'
	@echo 'make debug asan tsan  build/debug/heddle, build/asan/heddle, build/tsan/heddle'
	@echo 'make install       PREFIX=$(PREFIX) DESTDIR='
	@echo 'make objs DIR=kernel/fs            only the objects of one folder'

-include $(OBJS:.o=.d) $(TOOL_OBJS:.o=.d) $(STUB_OBJS:.o=.d) $(VDSO_OBJS:.o=.d)
