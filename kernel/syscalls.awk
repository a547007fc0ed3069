# Generates from kernel/syscalls.def, by -v out=...:
#   protos  prototypes of the handlers        table  syscall_table[] and what it points to
#   docs    docs/syscalls.md                  list   "nr name status" (for checks and tests)
#   args    numbers, names and kinds of arguments, for those who call them at random
#   copies  what stub/tramp.S copies for a call

function fail(msg)
{
	printf "%s: %s: %s\n", FILENAME, msg, line >"/dev/stderr"
	failed = 1
	exit 1
}

BEGIN {
	n = split("fd dfd path str strv in out inout iov ptr addr int uint long ulong size off mode dev uid gid cmd" \
		" pid sig clockid flags uflags lflags", k, " ")
	split("int int uaddr_t uaddr_t uaddr_t uaddr_t uaddr_t uaddr_t uaddr_t uaddr_t unsigned_long int" \
		" unsigned_int long unsigned_long size_t int64_t unsigned_int unsigned_int unsigned_int unsigned_int" \
		" unsigned_int int int int int unsigned_int unsigned_long", c, " ")
	for (i = 1; i <= n; i++) {
		ctype[k[i]] = c[i]
		gsub("_", " ", ctype[k[i]])
		sub("uaddr t", "uaddr_t", ctype[k[i]])
		sub("size t", "size_t", ctype[k[i]])
		sub("int64 t", "int64_t", ctype[k[i]])
	}
	ncalls = nsets = ntypes = nincludes = max = 0
}

{
	sub(/#.*/, "")
	if (/^[ \t]*$/)
		next
	if (/^[ \t]/) {
		line = line " " $0
		next
	}
	statement()
	line = $0
}

END {
	if (failed)
		exit 1
	statement()
	if (out == "protos")
		put_protos()
	else if (out == "table")
		put_table()
	else if (out == "docs")
		put_docs()
	else if (out == "args")
		put_call_args()
	else if (out == "copies")
		put_copies()
	else if (out == "list")
		for (i = 0; i < ncalls; i++)
			print number[i], name[i], status[i]
	else
		fail("unknown output " out)
}

# Handles the logical line that was collected, if any.
function statement(    n, w, i, note)
{
	if (line == "")
		return
	note = ""
	if (i = index(line, ";")) {
		note = substr(line, i + 1)
		line = substr(line, 1, i - 1)
		sub(/^[ \t]+/, "", note)
		sub(/[ \t]+$/, "", note)
	}
	n = split(line, w, /[ \t]+/)
	if (w[n] == "")
		n--
	if (w[1] == "include")
		includes[nincludes++] = w[2]
	else if (w[1] == "type")
		add_type(n, w)
	else if (w[1] == "bits" || w[1] == "enum")
		add_set(n, w)
	else if (w[1] ~ /^[0-9]+$/)
		add_call(n, w, note)
	else
		fail("neither a call nor a declaration")
	line = ""
}

# Sets type_c to the C type, with type_count[t] of them in it.
function add_type(n, w,    i, t, p)
{
	t = w[2]
	types[ntypes++] = t
	type_c[t] = w[3]
	type_count[t] = 1
	if (p = index(w[3], "[")) {
		type_c[t] = substr(w[3], 1, p - 1)
		type_count[t] = substr(w[3], p + 1, length(w[3]) - p - 1)
	}
	# A C type of two words is written with an underscore between them.
	if (type_c[t] ~ /^(struct|unsigned)_/)
		sub("_", " ", type_c[t])
	type_n[t] = n - 3
	for (i = 4; i <= n; i++)
		type_f[t, i - 4] = w[i]
}

function add_set(n, w,    i)
{
	sets[nsets++] = w[2]
	set_kind[w[2]] = w[1]
	set_n[w[2]] = n - 2
	for (i = 3; i <= n; i++)
		set_v[w[2], i - 3] = w[i]
}

function add_call(n, w, note,    i, a, p)
{
	i = ncalls++
	number[i] = w[1] + 0
	name[i] = w[2]
	status[i] = w[3]
	notes[i] = note
	early[i] = 0
	nargs[i] = 0
	if (w[3] !~ /^(full|partial|none)$/)
		fail("status")
	if ((w[3] == "partial") != (note != ""))
		fail("a note belongs to a partial call, and to no other")
	if (number[i] <= max && ncalls > 1)
		fail("numbers must rise")
	max = number[i]
	for (a = 4; a <= n; a++) {
		if (w[a] == "early") {
			early[i] = 1
			continue
		}
		p = index(w[a], ":")
		if (!p)
			fail("argument " w[a])
		arg_name[i, nargs[i]] = substr(w[a], 1, p - 1)
		add_arg(i, nargs[i]++, substr(w[a], p + 1))
	}
	if (nargs[i] > 6)
		fail("too many arguments")
}

function add_arg(i, a, spec,    p)
{
	if (p = index(spec, "(")) {
		arg_ref[i, a] = substr(spec, p + 1, length(spec) - p - 1)
		spec = substr(spec, 1, p - 1)
	}
	if (!(spec in ctype))
		fail("kind " spec)
	arg_kind[i, a] = spec
}

# The index of the argument called n of call i, or -1.
function arg_index(i, n,    a)
{
	for (a = 0; a < nargs[i]; a++)
		if (arg_name[i, a] == n)
			return a
	return -1
}

function head()
{
	print "/* Generated from kernel/syscalls.def: do not edit. */"
}

function put_protos(    i, a)
{
	head()
	print "#ifndef HEDDLE_SYSCALL_PROTOS_H\n#define HEDDLE_SYSCALL_PROTOS_H\n"
	print "#include \"types.h\"\n"
	printf "#define NR_SYSCALLS %d\n\n", max + 1
	for (i = 0; i < ncalls; i++)
		if (status[i] != "none")
			print proto(i) ";"
	print "\n#endif"
}

function proto(i,    a, s)
{
	s = "long sys_" name[i] "("
	for (a = 0; a < nargs[i]; a++)
		s = s (a ? ", " : "") ctype[arg_kind[i, a]] " " arg_name[i, a]
	return s (nargs[i] ? ")" : "void)")
}

function put_table(    i, a)
{
	head()
	print "#include \"syscalls.h\""
	for (i = 0; i < nincludes; i++)
		print "#include " includes[i]
	for (i = 0; i < nsets; i++)
		put_set(sets[i])
	for (i = 0; i < ntypes; i++)
		put_type(types[i])
	for (i = 0; i < ncalls; i++) {
		put_args(i)
		if (status[i] != "none")
			put_wrapper(i)
	}
	print "\nconst struct syscall_desc syscall_table[NR_SYSCALLS] = {"
	for (i = 0; i < ncalls; i++)
		printf "\t[%d] = {\"%s\", %s, %s, %d, SYSCALL_%s, %s, %d},\n", number[i], name[i],
			status[i] == "none" ? "NULL" : "call_" name[i],
			nargs[i] ? "args_" name[i] : "NULL", nargs[i], toupper(status[i]),
			early[i] ? "true" : "false", copies(i)
	print "};"
}

function put_set(s,    i, v, n, val, mask)
{
	printf "\n%sconst struct flag_name flags_%s[] = {\n",
		s ~ /^(open|map|prot|clone|clockid)$/ ? "" : "static ", s
	for (i = 0; i < set_n[s]; i++) {
		v = set_v[s, i]
		mask = set_kind[s] == "enum" ? "~0ULL" : ""
		if (n = index(v, "/")) {
			mask = substr(v, n + 1)
			v = substr(v, 1, n - 1)
			if (mask == "~0")
				mask = "~0ULL"
		}
		val = v
		if (n = index(v, "=")) {
			val = substr(v, n + 1)
			v = substr(v, 1, n - 1)
		}
		# Unsigned, as the argument is compared.
		printf "\t{\"%s\", (u32)(%s), %s},\n", v, val,
			mask == "" ? "(u32)(" val ")" : mask ~ /ULL$/ ? "~0u" : "(u32)(" mask ")"
	}
	print "\t{NULL, 0, 0},\n};"
	set_done[s] = 1
}

function put_type(t,    i, f, fmt, c)
{
	c = type_c[t]
	if (type_n[t]) {
		printf "\nstatic const struct field_name fields_%s[] = {\n", t
		for (i = 0; i < type_n[t]; i++) {
			f = type_f[t, i]
			fmt = "d"
			if (f ~ /:/) {
				fmt = substr(f, index(f, ":") + 1)
				f = substr(f, 1, index(f, ":") - 1)
			}
			printf "\t{\"%s\", offsetof(%s, %s), sizeof(((%s *)NULL)->%s), '%s'},\n", f, c, f, c, f, fmt
		}
		print "};"
	}
	printf "%sstatic const struct arg_type type_%s = {\"%s\", %s, %d, %d, %s};\n", type_n[t] ? "" : "\n", t, t,
		c ~ /^[0-9]+$/ ? c : "sizeof(" c "[" type_count[t] "])", type_count[t], type_n[t],
		type_n[t] ? "fields_" t : "NULL"
}

function put_args(i,    a, k, r, p, len, typ, names)
{
	if (!nargs[i])
		return
	printf "\nstatic const struct syscall_arg args_%s[] = {\n", name[i]
	for (a = 0; a < nargs[i]; a++) {
		k = arg_kind[i, a]
		r = arg_ref[i, a]
		len = -1
		typ = names = "NULL"
		if (k ~ /flags$/) {
			if (!(r in set_done))
				fail("sys_" name[i] ": flags " r)
			names = "flags_" r
		} else if (k == "clockid") {
			names = "flags_clockid"
		} else if (r != "") {
			if (p = index(r, ",")) {
				typ = substr(r, 1, p - 1)
				r = substr(r, p + 1)
			}
			len = arg_index(i, r)
			if (len < 0)
				typ = r
			if (typ != "NULL" && !(typ in type_c))
				fail("sys_" name[i] ": " typ " is neither an argument nor a type")
			if (typ != "NULL")
				typ = "&type_" typ
		}
		printf "\t{\"%s\", ARG_%s, %d, %s, %s, %s},\n", arg_name[i, a], toupper(k), len,
			(len >= 0 && arg_kind[i, len] ~ /^(in|inout|ptr)$/) ? "true" : "false", typ, names
	}
	print "};"
}

function put_wrapper(i,    a)
{
	# Weak, so that the kernel links while a handler is being written; `make lint` finds those that stay missing.
	printf "\nextern __typeof__(sys_%s) sys_%s __attribute__((weak));\n", name[i], name[i]
	printf "static long call_%s(const u64 a[6])\n{\n\treturn sys_%s ? sys_%s(", name[i], name[i], name[i]
	for (a = 0; a < nargs[i]; a++)
		printf "%s(%s)a[%d]", a ? ", " : "", ctype[arg_kind[i, a]], a
	print ") : -ENOSYS;\n}"
}

# Initialisers of struct { int nr; const char *name; const char *kinds[6]; }.
function put_call_args(    i, a)
{
	head()
	for (i = 0; i < ncalls; i++) {
		printf "{%d, \"%s\", {", number[i], name[i]
		for (a = 0; a < nargs[i]; a++)
			printf "%s\"%s\"", a ? ", " : "", arg_kind[i, a]
		print "}},"
	}
}

# What a trampoline may copy for call i: COPY_* of stub/layout.h.
function copies(i,    a, k, out, c)
{
	if (status[i] == "none" || early[i])
		return 0
	c = out = 0
	for (a = 0; a < nargs[i]; a++) {
		k = arg_kind[i, a]
		if (k == "path" && a < 2 && !c)
			c = a + 1
		else if (k == "in" && a == 1 && !c && arg_index(i, arg_ref[i, a]) == 2)
			c = 3
		else if (k == "in" && a == 1 && !c && arg_ref[i, a] == "sigset")
			c = 4
		else if (k == "inout" && a == 2 && !c && arg_ref[i, a] == "off")
			c = 5
		else if (k == "iov" && a == 1 && !c && arg_index(i, arg_ref[i, a]) == 2)
			c = 6
		else if (k == "out" || k == "inout")
			out = 8
	}
	return c + out
}

function put_copies(    i)
{
	head()
	for (i = 0; i < ncalls; i++)
		if (copies(i))
			printf "\tcopy\t%d, %d\t/* %s */\n", number[i], copies(i), name[i]
}

function put_docs(    i, n)
{
	for (i = 0; i < ncalls; i++)
		n[status[i]]++
	print "# System calls\n"
	print "Generated from `kernel/syscalls.def` by `make docs/syscalls.md`; do not edit.\n"
	printf "Of the %d system calls of Linux on x86-64, %d are implemented in full, %d in part, and %d are not.\n",
		ncalls, n["full"], n["partial"], n["none"]
	print "A call that is not implemented returns `ENOSYS`; the missing part of one that is implemented in part"
	print "returns an error, unless its row says what happens instead. `heddle run --stats` names the calls that a guest missed.\n"
	print "| number | call | implemented | what is missing |"
	print "| ---: | --- | --- | --- |"
	for (i = 0; i < ncalls; i++)
		printf "| %d | %s | %s | %s |\n", number[i], name[i],
			status[i] == "full" ? "yes" : status[i] == "partial" ? "in part" : "no", notes[i]
}
