#include "demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tables_sum(void)
{
	int sum = 0;

	for (int i = 0; i < NR_TABLES; i++)
		for (int j = 0; j < 10; j++)
			sum += tables[i][j];
	return sum;
}

static void print_digest(const char *what, const void *data, size_t n)
{
	uint8_t digest[32];

	sha256(data, n, digest);
	printf("%s", what);
	for (int i = 0; i < 32; i++)
		printf("%02x", digest[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	int nthreads = argc > 1 ? atoi(argv[1]) : 4;
	struct picture p = {.width = 72, .height = 21};
	char line[256];
	int counted, expected;

	system_describe(line, sizeof(line));
	printf("%s\n", line);
	printf("%d CPUs in /proc/cpuinfo, %d in the affinity mask\n", cpus_in_proc(),
	       cpus_allowed());

	p.text = malloc((size_t)p.width * p.height);
	if (!p.text)
		return 1;
	fractal_draw(&p, nthreads);
	for (int y = 0; y < p.height; y++)
		printf("%.*s\n", p.width, p.text + y * p.width);
	printf("drawn by %d threads, which ran on %d CPUs\n", nthreads,
	       __builtin_popcountll(cpus_noted()));
	print_digest("sha256 of the picture: ", p.text, (size_t)p.width * p.height);

	counted = primes_count(NR_TABLES * TABLE_SPAN, nthreads);
	expected = tables_sum();
	printf("%d primes below %d, counted by %d processes; the compiled tables say %d\n", counted,
	       NR_TABLES * TABLE_SPAN, nthreads, expected);
	free(p.text);
	return counted == expected ? 0 : 1;
}
