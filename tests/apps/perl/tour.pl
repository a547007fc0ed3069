#!/usr/bin/perl
# What perl programs do with a Unix kernel.
use strict;
use warnings;
use Cwd;
use Errno qw(ENOENT EEXIST EAGAIN ENOTDIR ECHILD);
use Fcntl qw(:DEFAULT :flock :seek :mode);
use File::Basename;
use File::Copy qw(copy move);
use File::Find;
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempfile tempdir);
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use IPC::Open3;
use List::Util qw(sum);
use POSIX qw(:sys_wait_h :signal_h dup2 setsid);
use Socket;
use Time::HiRes qw(usleep time sleep);

$| = 1;
umask 022;

sub is
{
	my ($name, $got, $want) = @_;
	$got = 'undef' unless defined $got;
	print $got eq $want ? "ok $name\n" : "FAIL $name: got '$got', not '$want'\n";
}

# Runs a block in a child; returns its status.
sub in_child
{
	my $code = shift;
	my $pid = fork() // die "fork: $!";
	if (!$pid) {
		my $status = eval { $code->() } // 255;
		POSIX::_exit($status);
	}
	waitpid $pid, 0;
	return $?;
}

mkdir 'perl' and chdir 'perl' or die;

# --- processes
is 'exit_status', in_child(sub { 42 }) >> 8, 42;
is 'killed', in_child(sub { kill 'KILL', $$; 0 }) & 127, 9;
is 'system', system('exit 3;') >> 8, 3;
is 'system_list', system('sh', '-c', 'exit $1', 'x', 4) >> 8, 4;
is 'backticks', scalar(`echo one`) . `echo two`, "one\ntwo\n";
is 'exec_fails', in_child(sub { no warnings; exec '/nonexistent' or return $! == ENOENT ? 0 : 1 }), 0;
my %left;
for my $i (1 .. 30) {
	my $pid = fork() // die;
	POSIX::_exit($i) unless $pid;
	$left{$pid} = $i;
}
my $right = 0;
while ((my $pid = wait()) > 0) {
	$right++ if delete($left{$pid}) == $? >> 8;
}
is 'thirty_children', $right . (%left ? 'left' : ''), 30;
is 'no_children', wait() . ' ' . ($! == ECHILD), '-1 1';
{
	pipe(my $r, my $w) or die;
	my $pid = fork();
	if (!$pid) {
		read $r, my $c, 1;
		POSIX::_exit(5);
	}
	is 'wnohang', waitpid($pid, WNOHANG), 0;
	close $w;
	close $r;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	is 'wnohang_reaped', waitpid($pid, WNOHANG), -1;
}
is 'setsid', in_child(sub { setsid(); getpgrp() == $$ ? 0 : 1 }), 0;
is 'getppid', do { my $me = $$; in_child(sub { getppid() == $me ? 0 : 1 }) }, 0;
is 'argv0', do { open my $f, '-|', 'sh', '-c', 'tr "\0" " " </proc/$$/cmdline' or die; my $l = <$f>; $l =~ /^sh -c/ ? 1 : 0 }, 1;
is 'environment', do { local $ENV{NEW} = 'value'; `printf %s "\$NEW"` }, 'value';
my @times = times;
is 'times', scalar(@times), 4;

# --- pipes
{
	pipe(my $r, my $w) or die;
	my $pid = fork();
	if (!$pid) {
		close $r;
		print $w "line $_\n" for 1 .. 50000;
		close $w;
		POSIX::_exit(0);
	}
	close $w;
	my $n = 0;
	while (<$r>) { $n += (split)[1] }
	waitpid $pid, 0;
	is 'pipe_from_child', $n, 50000 * 50001 / 2;
}
{
	open my $sort, '|-', 'sort -n >sorted' or die;
	print $sort "$_\n" for reverse 1 .. 1000;
	close $sort;
	open my $f, '<', 'sorted' or die;
	chomp(my @l = <$f>);
	is 'pipe_to_command', "$l[0] $l[-1] " . @l, '1 1000 1000';
}
{
	my $pid = open3(my $in, my $out, my $err = Symbol::gensym(), 'sh', '-c', 'read x; echo "out $x"; echo "err $x" >&2; exit 7');
	print $in "word\n";
	close $in;
	my @got = (scalar <$out>, scalar <$err>);
	waitpid $pid, 0;
	chomp @got;
	is 'open3', "@got " . ($? >> 8), 'out word err word 7';
}
{
	local $SIG{PIPE} = 'IGNORE';
	pipe(my $r, my $w) or die;
	close $r;
	my $n = syswrite $w, 'x';
	is 'epipe', defined $n ? 'wrote' : $!{EPIPE} ? 'EPIPE' : $!, 'EPIPE';
}
is 'sigpipe', in_child(sub { pipe(my $r, my $w); close $r; syswrite $w, 'x'; 0 }) & 127, 13;

# --- sockets
{
	socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
	my $pid = fork();
	if (!$pid) {
		close $a;
		while (sysread $b, my $data, 65536) {
			$data =~ tr/a-z/A-Z/;
			syswrite $b, $data;
		}
		POSIX::_exit(0);
	}
	close $b;
	syswrite $a, 'shout this';
	sysread $a, my $answer, 100;
	shutdown $a, SHUT_WR;
	is 'socketpair', $answer . (sysread($a, my $rest, 100) // 'error'), 'SHOUT THIS0';
	waitpid $pid, 0;
}
{
	my $server = IO::Socket::UNIX->new(Local => 'socket', Listen => 10) or die "listen: $!";
	my @clients;
	for my $i (1 .. 8) {
		my $pid = fork();
		if (!$pid) {
			my $s = IO::Socket::UNIX->new(Peer => 'socket') or POSIX::_exit(1);
			print $s "hello $i\n";
			my $line = <$s>;
			POSIX::_exit($line eq "welcome $i\n" ? 0 : 2);
		}
		push @clients, $pid;
	}
	for (1 .. 8) {
		my $s = $server->accept or die;
		my ($i) = <$s> =~ /(\d+)/;
		print $s "welcome $i\n";
	}
	my $bad = 0;
	for (@clients) { waitpid $_, 0; $bad++ if $? }
	is 'unix_server', $bad, 0;
	is 'socket_file', -S 'socket' ? 1 : 0, 1;
	unlink 'socket';
}
{
	socket(my $a, AF_UNIX, SOCK_DGRAM, 0) or die;
	socket(my $b, AF_UNIX, SOCK_DGRAM, 0) or die;
	bind $a, pack_sockaddr_un('dgram') or die;
	send $b, $_, 0, pack_sockaddr_un('dgram') for qw(first second);
	recv $a, my $one, 100, 0;
	recv $a, my $two, 3, 0;
	is 'datagrams', "$one $two", 'first sec';
	$a->blocking(0);
	is 'datagram_none', defined recv($a, my $x, 10, 0) ? 'data' : $!{EAGAIN} ? 'EAGAIN' : $!, 'EAGAIN';
}

# --- select
{
	pipe(my $r1, my $w1) or die;
	pipe(my $r2, my $w2) or die;
	my $s = IO::Select->new($r1, $r2);
	my $t = time;
	is 'select_timeout', scalar(() = $s->can_read(0.2)), 0;
	is 'select_waits', time - $t >= 0.19 ? 1 : 0, 1;
	syswrite $w2, 'x';
	my @ready = $s->can_read(5);
	is 'select_ready', @ready == 1 && $ready[0] == $r2 ? 1 : 0, 1;
	$w1->blocking(0);
	my $filled = 0;
	while (my $n = syswrite $w1, 'y' x 4096) { $filled += $n }
	is 'pipe_fills', "$filled " . ($! == EAGAIN), '65536 1';
}

# --- signals
{
	my @got;
	local $SIG{USR1} = sub { push @got, 'usr1' };
	local $SIG{USR2} = sub { push @got, 'usr2' };
	kill 'USR1', $$;
	kill 'USR2', $$;
	is 'handlers', "@got", 'usr1 usr2';
	my $set = POSIX::SigSet->new(SIGUSR1);
	sigprocmask(SIG_BLOCK, $set);
	kill 'USR1', $$;
	my $during = @got;
	my $pending = POSIX::SigSet->new;
	sigpending($pending);
	is 'blocked', "$during " . $pending->ismember(SIGUSR1), '2 1';
	sigprocmask(SIG_UNBLOCK, $set);
	is 'unblocked', scalar(@got), 3;
}
{
	my $late = 0;
	eval {
		local $SIG{ALRM} = sub { die "alarm\n" };
		alarm 1;
		select undef, undef, undef, 20;
		$late = 1;
	};
	is 'alarm', $@ . $late, "alarm\n0";
}
{
	my $reaped = 0;
	local $SIG{CHLD} = sub { while (waitpid(-1, WNOHANG) > 0) { $reaped++ } };
	for (1 .. 10) {
		my $pid = fork() // die;
		if (!$pid) { usleep 1000 * $_; POSIX::_exit(0) }
	}
	my $until = time + 10;
	usleep 10000 while $reaped < 10 && time < $until;
	is 'sigchld', $reaped, 10;
}
{
	my $count = 0;
	local $SIG{ALRM} = sub { $count++ };
	Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.02, 0.02);
	my $until = time + 10;
	usleep 100000 while $count < 10 && time < $until;
	Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);
	is 'itimer', $count >= 10 ? 1 : 0, 1;
}
is 'sigint_default', in_child(sub { kill 'INT', $$; sleep 1; 0 }) & 127, 2;

# --- files
sysopen(my $f, 'excl', O_RDWR | O_CREAT | O_EXCL, 0640) or die;
is 'o_excl', sysopen(my $g, 'excl', O_WRONLY | O_CREAT | O_EXCL) ? 'opened' : $! == EEXIST ? 'EEXIST' : $!, 'EEXIST';
is 'mode', sprintf('%o', (stat 'excl')[2]), '100640';
syswrite $f, "0123456789";
sysseek $f, 4, SEEK_SET;
sysread $f, my $part, 3;
is 'sysseek', $part . sysseek($f, 0, SEEK_CUR), 4567;
sysseek $f, -2, SEEK_END;
syswrite $f, 'XY';
truncate $f, 9;
is 'truncate', -s 'excl', 9;
sysopen(my $app, 'excl', O_WRONLY | O_APPEND) or die;
sysseek $app, 0, SEEK_SET;
syswrite $app, '!';
sysseek $f, 0, SEEK_SET;
sysread $f, $part, 100;
is 'append', $part, '01234567X!';
is 'dup', do { open my $d, '>&', $f or die; sysseek $f, 3, SEEK_SET; sysseek($d, 0, SEEK_CUR) + 0 }, 3;
is 'flock', do {
	flock $f, LOCK_EX or die;
	in_child(sub { open my $h, '<', 'excl'; flock($h, LOCK_EX | LOCK_NB) ? 1 : 0 })
}, 0;
flock $f, LOCK_UN;
is 'fcntl_lock', do {
	my $lock = pack 's s x4 q q i x4', F_WRLCK, SEEK_SET, 2, 4, 0;
	fcntl $f, F_SETLK, $lock or die "F_SETLK: $!";
	my $me = $$;
	in_child(sub {
		open my $h, '+<', 'excl';
		my $probe = pack 's s x4 q q i x4', F_WRLCK, SEEK_SET, 0, 0, 0;
		fcntl $h, F_GETLK, $probe or return 1;
		my ($type, $whence, $start, $len, $pid) = unpack 's s x4 q q i', $probe;
		$type == F_WRLCK && $start == 2 && $len == 4 && $pid == $me ? 0 : 2
	})
}, 0;
is 'rename', (rename('excl', 'renamed') && -e 'renamed' && !-e 'excl') ? 1 : 0, 1;
is 'link_count', do { link 'renamed', 'second'; (stat 'second')[3] }, 2;
is 'symlink', do { symlink 'renamed', 'sym'; readlink('sym') . (-l 'sym' ? 1 : 0) . -s 'sym' }, 'renamed110';
is 'utime', do { utime 1e9, 1.1e9, 'renamed'; join ' ', (stat 'renamed')[8, 9] }, '1000000000 1100000000';
make_path('d/e/f', 'd/g');
for my $p (qw(d/1 d/e/2 d/e/f/3 d/g/4)) {
	open my $h, '>', $p or die;
	print $h $p;
}
my @found;
find({ wanted => sub { push @found, $File::Find::name if -f }, no_chdir => 1 }, 'd');
is 'file_find', join(' ', sort @found), 'd/1 d/e/2 d/e/f/3 d/g/4';
my $depth = 0;
finddepth(sub { $depth++ }, 'd');
is 'finddepth', $depth, 8;
opendir my $dir, 'd' or die;
my @names = sort grep { !/^\./ } readdir $dir;
is 'readdir', "@names", '1 e g';
rewinddir $dir;
is 'rewinddir', scalar(() = readdir $dir), 5;
closedir $dir;
copy 'd/1', 'copied';
move 'copied', 'd/moved';
is 'copy_move', -s 'd/moved', 3;
is 'glob', join(' ', glob 'd/*'), 'd/1 d/e d/g d/moved';
is 'remove_tree', remove_tree('d'), 9;
is 'enotdir', -e 'renamed/x' ? 'exists' : $! == ENOTDIR ? 'ENOTDIR' : $!, 'ENOTDIR';
is 'cwd', basename(getcwd()), 'perl';
my ($th, $tname) = tempfile(UNLINK => 1);
print $th 'temp';
close $th;
is 'tempfile', -s $tname, 4;
is 'stat_device', do { my @s = stat '/dev/null'; S_ISCHR($s[2]) . " $s[6]" }, '1 259';
is 'big_seek', do { open my $h, '>', 'sparse'; sysseek $h, 5_000_000_000, SEEK_SET; syswrite $h, 'x'; -s 'sparse' }, 5000000001;
unlink 'sparse';

# --- the language itself, at length
my %count;
$count{ length sprintf '%b', $_ * 2654435761 % 2**32 }++ for 1 .. 300000;
print 'histogram: ', join(' ', map { "$_=$count{$_}" } sort { $a <=> $b } keys %count), "\n";
my $text = join ' ', map { chr(97 + $_ % 26) x ($_ % 7 + 1) } 1 .. 20000;
my $hits = () = $text =~ /\b(\w)\1{3,5}\b/g;
print "regex: $hits\n";
print 'sorted: ', join(',', (sort { $b cmp $a || $a cmp $b } map { $_ * 7919 % 10007 } 1 .. 10000)[0 .. 4]), "\n";
is 'eval_string', eval '2 ** 10 + length "abc"', 1027;
is 'local_time', POSIX::strftime('%Y-%m-%d', gmtime 86400 * 365), '1971-01-01';
is 'pack', unpack('H*', pack 'nNvV', 1, 2, 3, 4), '0001000000020300040000' . '00';
