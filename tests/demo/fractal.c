#include "demo.h"

#define MAX_STEPS 200000

static int steps_to_escape(double cr, double ci)
{
	double r = 0, i = 0;
	int n;

	for (n = 0; n < MAX_STEPS && r * r + i * i < 4; n++) {
		double t = r * r - i * i + cr;

		i = 2 * r * i + ci;
		r = t;
	}
	return n;
}

static void draw_row(void *arg, int y)
{
	static const char shades[] = " .,:;-=+*%#&@";
	struct picture *p = arg;

	cpus_note();
	for (int x = 0; x < p->width; x++) {
		int n = steps_to_escape(-2.2 + 3.2 * x / p->width,
					-1.15 + 2.3 * y / (p->height - 1));

		p->text[y * p->width + x] = n == MAX_STEPS ? '@' : shades[n % 12];
	}
}

void fractal_draw(struct picture *p, int nthreads)
{
	pool_run(nthreads, p->height, draw_row, p);
}
