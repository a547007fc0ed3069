# Table nr (in octal): how many primes lie in each hundred of its thousand numbers, as a C file.
function is_prime(n,    d)
{
	if (n < 2)
		return 0
	for (d = 2; d * d <= n; d++)
		if (n % d == 0)
			return 0
	return 1
}

BEGIN {
	base = (substr(nr, 1, 1) * 8 + substr(nr, 2, 1)) * 1000
	printf "#include \"demo.h\"\nconst int table%s[10] = {", nr
	for (i = 0; i < 10; i++) {
		count = 0
		for (n = base + 100 * i; n < base + 100 * (i + 1); n++)
			count += is_prime(n)
		printf "%d,", count
	}
	print "};"
}
