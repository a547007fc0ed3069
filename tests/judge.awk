# Compares what a test printed on the host (first file) and in the guest (second file).
# First line: passed failed skipped; then the reasons of failures.
#
# Lines `ok NAME`, `skip NAME: why`, `FAIL NAME: why` are matched by name; all other lines must be the same.
# Skipped on the host alone means that the host can't do it, so the guest's result stands.

function name_of(    n)
{
	n = $2
	sub(/:$/, "", n)
	return n
}

FNR == 1 {
	file++
}

/^(ok|skip|FAIL) / {
	n = name_of()
	if (file == 1) {
		if (!(n in host))
			order[count++] = n
		if (host[n] != "FAIL")
			host[n] = $1
	} else {
		if (!(n in guest) && !(n in host))
			order[count++] = n
		if (guest[n] != "FAIL")
			guest[n] = $1
		text[n] = text[n] (text[n] == "" ? "" : "\n") $0
	}
	next
}

{
	if (file == 1) {
		other_host[nh++] = $0
		last_host = $0
	} else {
		other_guest[ng++] = $0
		last_guest = $0
	}
}

END {
	passed = failed = skipped = missing = 0
	for (i = 0; i < count; i++) {
		n = order[i]
		if (!(n in host)) {
			failed++
			why = why "only in the guest: " text[n] "\n"
		} else if (host[n] == "FAIL") {
			continue # the host's own run reports it
		} else if (!(n in guest)) {
			failed++
			if (missing++ == 0)
				why = why "no result of " n "\n"
		} else if (guest[n] == "FAIL") {
			failed++
			why = why text[n] "\n"
		} else if (guest[n] == "ok") {
			passed++
		} else if (host[n] == "skip") {
			skipped++
		} else {
			failed++
			why = why "ok on the host, but " text[n] "\n"
		}
	}
	if (missing > 1)
		why = why "and of " missing - 1 " more\n"
	if (missing)
		why = why last_guest "\n"
	if (!failed && !count) {
		failed++
		why = why "it printed no result\n"
	}
	for (i = 0; !failed && (i < nh || i < ng); i++)
		if (other_host[i] != other_guest[i]) {
			failed++
			why = why "host:  " other_host[i] "\nguest: " other_guest[i] "\n"
		}
	print passed, failed, skipped
	printf "%s", why
}
