/*
 * The line discipline with a driver that only collects: every editing key, echo, signals, flow
 * control, modes.
 * objects: kernel/tty/ldisc.o kernel/tty/ldisc_take.o kernel/tty/opost.o kernel/tty/byteq.o
 */
#include "alloc.h"
#include "kernel/tty/tty_priv.h"
#include "unit.h"
#include <signal.h>
#include <string.h>

void *kmalloc(size_t size)
{
	return malloc(size);
}

void kfree(void *p)
{
	free(p);
}

/* ---- a terminal ---- */

static const struct tty_driver pty_like, device_like = {.device_opost = true};
static struct tty tty;
static struct tty_fx fx;
static char text[8192]; /* what screen() and line() returned last */

static void open_tty(void)
{
	static const u8 cc[] = {[VINTR] = 3,  [VQUIT] = 28,    [VERASE] = 127, [VKILL] = 21,
				[VEOF] = 4,   [VMIN] = 1,      [VSTART] = 17,  [VSTOP] = 19,
				[VSUSP] = 26, [VREPRINT] = 18, [VWERASE] = 23, [VLNEXT] = 22};

	byteq_destroy(&tty.in);
	byteq_destroy(&tty.out);
	memset(&tty, 0, sizeof(tty));
	memset(&fx, 0, sizeof(fx));
	tty.driver = &pty_like;
	byteq_init(&tty.in, TTY_QUEUE_SIZE);
	byteq_init(&tty.out, TTY_QUEUE_SIZE);
	tty.termios.c_iflag = ICRNL | IXON;
	tty.termios.c_oflag = OPOST | ONLCR;
	tty.termios.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(tty.termios.c_cc, cc, sizeof(cc));
	ldisc_reset(&tty);
}

static size_t type_bytes(const char *s, size_t n)
{
	memset(&fx, 0, sizeof(fx));
	return ldisc_receive(&tty, (const u8 *)s, n, &fx);
}

static void type(const char *s)
{
	ck_assert_uint_eq(type_bytes(s, strlen(s)), strlen(s));
}

static const char *screen(void)
{
	size_t n = byteq_get(&tty.out, text, min(tty_out_ready(&tty), sizeof(text) - 1));

	text[n] = '\0';
	return text;
}

/* What one read with a buffer of n bytes gets. */
static const char *line_of(size_t n)
{
	bool done;
	size_t got = ldisc_take(&tty, (u8 *)text, n, &done);

	text[got] = '\0';
	return text;
}

static const char *line(void)
{
	return line_of(sizeof(text) - 1);
}

static void set_lflag(u32 lflag)
{
	struct ktermios old = tty.termios;

	tty.termios.c_lflag = lflag;
	ldisc_modes_changed(&tty, &old, &fx);
}

static void write_out(const char *s)
{
	ck_assert_uint_eq(opost_write(&tty, (const u8 *)s, strlen(s)), strlen(s));
}

#define assert_screen(s) ck_assert_str_eq(screen(), (s))
#define assert_line(s) ck_assert_str_eq(line(), (s))

/* ---- lines ---- */

START_TEST(a_line_is_readable_when_it_ends)
{
	open_tty();
	type("ab");
	ck_assert(!ldisc_readable(&tty, false));
	type("c\r");
	ck_assert(ldisc_readable(&tty, false) && fx.input);
	assert_line("abc\n");
	assert_screen("abc\r\n");
}
END_TEST

START_TEST(erase_takes_one_character)
{
	open_tty();
	type("abx\177c\n");
	assert_screen("abx\b \bc\r\n");
	assert_line("abc\n");
	type("\177\177z\n");
	assert_screen("z\r\n");
	assert_line("z\n");
}
END_TEST

START_TEST(erase_of_a_control_character_takes_two_columns)
{
	open_tty();
	type("a\001\177\n");
	assert_screen("a^A\b \b\b \b\r\n");
	assert_line("a\n");
}
END_TEST

START_TEST(erase_of_a_tab_goes_back_to_where_it_began)
{
	open_tty();
	write_out("$ ");
	type("abc\t\177d\n");
	assert_screen("$ abc\t\b\b\bd\r\n");
	assert_line("abcd\n");
}
END_TEST

START_TEST(erase_of_a_utf8_character_takes_all_its_bytes)
{
	open_tty();
	tty.termios.c_iflag |= IUTF8;
	type("\xe2\x82\xac\177x\n");
	assert_screen("\xe2\x82\xac\b \bx\r\n");
	assert_line("x\n");
}
END_TEST

START_TEST(werase_takes_a_word_and_what_lies_behind_it)
{
	open_tty();
	type("foo bar_1  \027");
	assert_screen("foo bar_1  \b \b\b \b\b \b\b \b\b \b\b \b\b \b");
	type("x\n");
	assert_line("foo x\n");
}
END_TEST

START_TEST(kill_takes_the_line)
{
	open_tty();
	type("abc\025d\n");
	assert_screen("abc\b \b\b \b\b \bd\r\n");
	assert_line("d\n");
	set_lflag(tty.termios.c_lflag & ~ECHOKE);
	type("abc\025d\n");
	assert_screen("abc^U\r\nd\r\n");
	assert_line("d\n");
}
END_TEST

START_TEST(echoprt_shows_what_is_erased)
{
	open_tty();
	set_lflag(tty.termios.c_lflag | ECHOPRT);
	type("abc\177\177d\n");
	assert_screen("abc\\cb/d\r\n");
	assert_line("ad\n");
}
END_TEST

START_TEST(erase_without_echoe_echoes_the_key)
{
	open_tty();
	set_lflag(tty.termios.c_lflag & ~ECHOE);
	type("ab\177\n");
	assert_screen("ab^?\r\n");
	assert_line("a\n");
}
END_TEST

START_TEST(lnext_makes_the_next_key_literal)
{
	open_tty();
	type("a\026\003\026\177\n");
	ck_assert_uint_eq(fx.signals, 0);
	assert_screen("a^\b^C^\b^?\r\n");
	assert_line("a\003\177\n");
}
END_TEST

START_TEST(reprint_shows_the_line_again)
{
	open_tty();
	type("ab\022c\n");
	assert_screen("ab^R\r\nabc\r\n");
	assert_line("abc\n");
}
END_TEST

START_TEST(eof_ends_a_read_without_being_read)
{
	open_tty();
	type("ab\004");
	assert_line("ab");
	ck_assert(!ldisc_readable(&tty, false));
	type("\004");
	ck_assert(ldisc_readable(&tty, false));
	assert_line("");
	ck_assert(!ldisc_readable(&tty, false));
}
END_TEST

START_TEST(eof_behind_a_read_that_fits_exactly_goes_with_it)
{
	open_tty();
	type("abc\004");
	ck_assert_str_eq(line_of(3), "abc");
	ck_assert(!ldisc_readable(&tty, false));
	type("abc\004");
	ck_assert_str_eq(line_of(2), "ab");
	ck_assert_str_eq(line_of(2), "c");
	ck_assert(!ldisc_readable(&tty, false));
}
END_TEST

START_TEST(eol_characters_end_lines_and_are_read)
{
	open_tty();
	tty.termios.c_cc[VEOL] = ';';
	tty.termios.c_cc[VEOL2] = '!';
	type("a;b!c\n");
	assert_screen("a;b!c\r\n");
	assert_line("a;");
	assert_line("b!");
	assert_line("c\n");
}
END_TEST

START_TEST(reads_take_one_line_at_a_time)
{
	open_tty();
	type("one\ntwo\n");
	ck_assert_uint_eq(ldisc_count(&tty), 8);
	ck_assert_str_eq(line_of(2), "on");
	assert_line("e\n");
	assert_line("two\n");
	ck_assert_uint_eq(ldisc_count(&tty), 0);
}
END_TEST

START_TEST(a_disabled_key_is_an_ordinary_character)
{
	open_tty();
	tty.termios.c_cc[VINTR] = 0;
	ck_assert_uint_eq(type_bytes("a\0\n", 3), 3);
	ck_assert_uint_eq(fx.signals, 0);
	assert_screen("a^@\r\n");
	ck_assert_uint_eq(ldisc_count(&tty), 3);
}
END_TEST

START_TEST(a_long_line_keeps_4095_bytes_and_its_end)
{
	open_tty();
	for (int i = 0; i < 5000; i++)
		type("x");
	ck_assert(!ldisc_readable(&tty, false));
	type("\n");
	ck_assert_uint_eq(strlen(line()), 4096);
	ck_assert(!ldisc_readable(&tty, false));
}
END_TEST

START_TEST(lines_that_nobody_reads_stop_the_input)
{
	char lines[5000];

	open_tty();
	memset(lines, '\n', sizeof(lines));
	ck_assert_uint_eq(type_bytes(lines, sizeof(lines)), LDISC_SIZE - 1);
	ck_assert_uint_eq(type_bytes("x", 1), 0);
	assert_line("\n");
	ck_assert_uint_eq(type_bytes("xy", 2), 1);
}
END_TEST

/* ---- signals and flow ---- */

START_TEST(signal_keys_drop_the_line_and_raise)
{
	open_tty();
	type("abc");
	assert_screen("abc");
	type("\003");
	ck_assert_uint_eq(fx.signals, 1u << SIGINT);
	assert_screen("^C");
	type("x\n");
	assert_line("x\n");
	type("\034");
	ck_assert_uint_eq(fx.signals, 1u << SIGQUIT);
	type("\032");
	ck_assert_uint_eq(fx.signals, 1u << SIGTSTP);
}
END_TEST

START_TEST(noflsh_keeps_the_line)
{
	open_tty();
	set_lflag(tty.termios.c_lflag | NOFLSH);
	type("ab\003c\n");
	ck_assert_uint_eq(fx.signals, 1u << SIGINT);
	assert_line("abc\n");
}
END_TEST

START_TEST(without_isig_signal_keys_are_characters)
{
	open_tty();
	set_lflag(tty.termios.c_lflag & ~ISIG);
	type("\003\n");
	ck_assert_uint_eq(fx.signals, 0);
	assert_line("\003\n");
}
END_TEST

START_TEST(stop_and_start_hold_output)
{
	open_tty();
	type("\023");
	ck_assert(tty.stopped);
	ck_assert_uint_eq(opost_write(&tty, (const u8 *)"x", 1), 0);
	type("a");
	assert_screen("");
	type("\021");
	ck_assert(!tty.stopped && fx.output && fx.writers);
	assert_screen("a");
	type("\n");
	assert_line("a\n");
}
END_TEST

START_TEST(ixany_starts_by_any_key)
{
	open_tty();
	tty.termios.c_iflag |= IXANY;
	type("\023");
	type("z");
	ck_assert(!tty.stopped);
	assert_screen("z");
}
END_TEST

START_TEST(turning_ixon_off_starts_output)
{
	struct ktermios old;

	open_tty();
	type("\023");
	old = tty.termios;
	tty.termios.c_iflag &= ~IXON;
	ldisc_modes_changed(&tty, &old, &fx);
	ck_assert(!tty.stopped);
}
END_TEST

/* ---- modes ---- */

START_TEST(raw_mode_gives_bytes_as_they_come)
{
	open_tty();
	tty.termios.c_iflag = 0;
	set_lflag(0);
	type("a\003\r\177\n");
	ck_assert_uint_eq(fx.signals, 0);
	assert_line("a\003\r\177\n");
	assert_screen("");
}
END_TEST

START_TEST(vmin_decides_when_poll_sees_input)
{
	open_tty();
	set_lflag(0);
	tty.termios.c_cc[VMIN] = 3;
	type("ab");
	ck_assert(!ldisc_readable(&tty, true) && ldisc_readable(&tty, false));
	type("c");
	ck_assert(ldisc_readable(&tty, true));
	tty.termios.c_cc[VTIME] = 1;
	ck_assert_str_eq(line_of(2), "ab");
	ck_assert(ldisc_readable(&tty, true));
}
END_TEST

START_TEST(input_survives_a_change_of_modes)
{
	open_tty();
	type("abc");
	set_lflag(tty.termios.c_lflag & ~ICANON);
	ck_assert(ldisc_readable(&tty, false));
	ck_assert_str_eq(line_of(1), "a");
	set_lflag(tty.termios.c_lflag | ICANON);
	ck_assert(ldisc_readable(&tty, false));
	assert_line("bc");
	ck_assert(!ldisc_readable(&tty, false));
}
END_TEST

START_TEST(carriage_returns_are_mapped)
{
	open_tty();
	tty.termios.c_iflag = IGNCR;
	type("a\rb\n");
	assert_line("ab\n");
	tty.termios.c_iflag = INLCR;
	type("a\nb\r");
	ck_assert(!ldisc_readable(&tty, false));
	tty.termios.c_iflag = ICRNL;
	type("\r");
	assert_line("a\rb\r\n");
}
END_TEST

START_TEST(input_bits_are_stripped_marked_and_lowered)
{
	open_tty();
	tty.termios.c_iflag = ISTRIP;
	type("\xe1\n");
	assert_line("a\n");
	tty.termios.c_iflag = PARMRK;
	type("\xff\n");
	assert_line("\xff\xff\n");
	tty.termios.c_iflag = IUCLC;
	type("AbC\n");
	assert_line("abc\n");
}
END_TEST

static u32 in_use(void)
{
	return tty.ld.head - tty.ld.tail;
}

/* Each may take two places, where there is but one left. */
START_TEST(marked_bytes_never_need_more_room_than_there_is)
{
	open_tty();
	set_lflag(tty.termios.c_lflag & ~ECHO);
	tty.termios.c_iflag = PARMRK;
	for (int i = 0; i < 5000; i++) {
		type("\xff");
		ck_assert_uint_le(in_use(), LDISC_SIZE);
	}
	tty.termios.c_iflag = 0;
	for (int i = 0; i < 5000; i++) {
		type("\t");
		ck_assert_uint_le(in_use(), LDISC_SIZE);
	}
	type("\025"); /* ^U */
	ck_assert_uint_eq(in_use(), 0);
	type("a\n");
	assert_line("a\n");
}
END_TEST

START_TEST(echonl_echoes_newlines_only)
{
	open_tty();
	set_lflag((tty.termios.c_lflag & ~ECHO) | ECHONL);
	type("secret\n");
	assert_screen("\r\n");
	assert_line("secret\n");
}
END_TEST

START_TEST(echoctl_off_echoes_control_characters_themselves)
{
	open_tty();
	set_lflag(tty.termios.c_lflag & ~ECHOCTL);
	type("\001");
	assert_screen("\001");
}
END_TEST

/* ---- output ---- */

START_TEST(output_is_processed)
{
	open_tty();
	write_out("a\nb");
	assert_screen("a\r\nb");
	tty.termios.c_oflag = OPOST | OCRNL;
	write_out("a\rb");
	assert_screen("a\nb");
	tty.termios.c_oflag = OPOST | OLCUC;
	write_out("abc");
	assert_screen("ABC");
	tty.termios.c_oflag = OPOST | ONOCR;
	tty.ld.column = 0;
	write_out("\ra\r");
	assert_screen("a\r");
	tty.termios.c_oflag = 0;
	write_out("a\n");
	assert_screen("a\n");
}
END_TEST

START_TEST(tabs_become_spaces)
{
	open_tty();
	tty.termios.c_oflag = OPOST | XTABS;
	write_out("ab\tc\b\b\t|");
	assert_screen("ab      c\b\b |");
}
END_TEST

START_TEST(writers_leave_room_for_echoes)
{
	static char big[TTY_QUEUE_SIZE + 10];

	open_tty();
	memset(big, 'x', sizeof(big));
	ck_assert_uint_eq(opost_write(&tty, (u8 *)big, sizeof(big)),
			  TTY_QUEUE_SIZE - TTY_ECHO_RESERVE);
	ck_assert_uint_eq(opost_write(&tty, (const u8 *)"\n", 1), 0);
	type("e");
	ck_assert_uint_eq(byteq_used(&tty.out), TTY_QUEUE_SIZE - TTY_ECHO_RESERVE + 1);
}
END_TEST

START_TEST(a_device_does_its_own_output_processing)
{
	open_tty();
	tty.driver = &device_like;
	write_out("a\tb\n");
	assert_screen("a\tb\n");
	ck_assert_uint_eq(tty.ld.column, 0);
	type("x\t\177");
	assert_screen("x\t\b\b\b\b\b\b\b");
}
END_TEST

START_TEST(a_flush_drops_what_the_master_has_not_taken)
{
	static char big[6000];

	open_tty();
	memset(big, 'x', sizeof(big));
	ck_assert_uint_eq(opost_write(&tty, (u8 *)big, sizeof(big)), sizeof(big));
	tty_batch_begin(&tty);
	tty_flush_output(&tty, &fx);
	ck_assert_uint_eq(byteq_used(&tty.out), 4095);
	ck_assert(fx.packet & TIOCPKT_FLUSHWRITE);
}
END_TEST

/* ---- the queue of bytes ---- */

/* The driver skips them when it has sent them: had they gone, it would skip what isn't there. */
START_TEST(a_flush_leaves_what_the_driver_is_sending)
{
	open_tty();
	tty.driver = &device_like;
	ck_assert_uint_eq(opost_write(&tty, (const u8 *)"0123456789", 10), 10);
	tty.batch = (struct tty_mark){.at = tty.out.tail};
	tty.out_sent = tty.out.tail + 4;
	tty_flush_output(&tty, &fx);
	ck_assert_uint_eq(byteq_used(&tty.out), 4);
	byteq_skip(&tty.out, 4);
	tty.out_sent = 0;
	ck_assert_uint_eq(opost_write(&tty, (const u8 *)"abc", 3), 3);
	ck_assert_str_eq(screen(), "abc");
}
END_TEST

START_TEST(byteq_grows_and_keeps_its_counts)
{
	struct byteq q;
	char in[3000], out[3000];

	byteq_init(&q, 4096);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i * 7;
	for (int round = 0; round < 10; round++) {
		ck_assert_uint_eq(byteq_put(&q, in, 100), 100);
		ck_assert_uint_eq(byteq_get(&q, out, 50), 50);
	}
	ck_assert_uint_eq(byteq_put(&q, in, sizeof(in)), sizeof(in));
	ck_assert_uint_eq(byteq_used(&q), 3500);
	ck_assert_uint_eq(byteq_put(&q, in, sizeof(in)), 596);
	ck_assert_uint_eq(q.head, 1000 + 3000 + 596);
	ck_assert_uint_eq(byteq_get(&q, out, 500), 500);
	ck_assert_uint_eq(byteq_get(&q, out, sizeof(out)), 3000);
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert(byteq_insert(&q, q.tail, 'I'));
	ck_assert_uint_eq(byteq_get(&q, out, 2), 2);
	ck_assert(out[0] == 'I' && out[1] == in[0]);
	byteq_destroy(&q);
}
END_TEST

UNIT_MAIN("line discipline", a_line_is_readable_when_it_ends, erase_takes_one_character,
	  erase_of_a_control_character_takes_two_columns,
	  erase_of_a_tab_goes_back_to_where_it_began, erase_of_a_utf8_character_takes_all_its_bytes,
	  werase_takes_a_word_and_what_lies_behind_it, kill_takes_the_line,
	  echoprt_shows_what_is_erased, erase_without_echoe_echoes_the_key,
	  lnext_makes_the_next_key_literal, reprint_shows_the_line_again,
	  eof_ends_a_read_without_being_read, eof_behind_a_read_that_fits_exactly_goes_with_it,
	  eol_characters_end_lines_and_are_read, reads_take_one_line_at_a_time,
	  a_disabled_key_is_an_ordinary_character, a_long_line_keeps_4095_bytes_and_its_end,
	  lines_that_nobody_reads_stop_the_input, signal_keys_drop_the_line_and_raise,
	  noflsh_keeps_the_line, without_isig_signal_keys_are_characters,
	  stop_and_start_hold_output, ixany_starts_by_any_key, turning_ixon_off_starts_output,
	  raw_mode_gives_bytes_as_they_come, vmin_decides_when_poll_sees_input,
	  input_survives_a_change_of_modes, carriage_returns_are_mapped,
	  input_bits_are_stripped_marked_and_lowered,
	  marked_bytes_never_need_more_room_than_there_is, echonl_echoes_newlines_only,
	  echoctl_off_echoes_control_characters_themselves, output_is_processed, tabs_become_spaces,
	  writers_leave_room_for_echoes, a_device_does_its_own_output_processing,
	  a_flush_drops_what_the_master_has_not_taken, a_flush_leaves_what_the_driver_is_sending,
	  byteq_grows_and_keeps_its_counts)
