#include <numeric>
#include <vector>

// A constructor and thread-local data: what dlopen has to set up.
static struct table {
	std::vector<int> v;
	table() : v(100) { std::iota(v.begin(), v.end(), 1); }
} numbers;
static thread_local int calls;

extern "C" int plugin_sum()
{
	calls++;
	return std::accumulate(numbers.v.begin(), numbers.v.end(), 0) + calls;
}
