#include "demo.h"

#define ROW(n)                                                                                     \
	extern const int table##n##0 [10], table##n##1 [10], table##n##2 [10], table##n##3 [10],   \
		table##n##4 [10], table##n##5 [10], table##n##6 [10], table##n##7 [10];
ROW(0)
ROW(1)
ROW(2)
ROW(3)

#define ENTRIES(n)                                                                                 \
	table##n##0, table##n##1, table##n##2, table##n##3, table##n##4, table##n##5, table##n##6, \
		table##n##7

const int *const tables[NR_TABLES] = {ENTRIES(0), ENTRIES(1), ENTRIES(2), ENTRIES(3)};
