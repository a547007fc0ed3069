#include "shape.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <iostream>
#include <mutex>
#include <numeric>
#include <regex>
#include <sstream>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>
#ifndef NO_PLUGIN
#include <dlfcn.h>
#endif

template <int N> struct fib {
	static constexpr long value = fib<N - 1>::value + fib<N - 2>::value;
};
template <> struct fib<1> {
	static constexpr long value = 1;
};
template <> struct fib<0> {
	static constexpr long value = 0;
};

template <typename... T> auto sum(T... v)
{
	return (v + ...);
}

template <typename T> class channel
{
	std::mutex lock;
	std::condition_variable ready;
	std::vector<T> items;

public:
	void put(T v)
	{
		std::lock_guard<std::mutex> hold(lock);
		items.push_back(std::move(v));
		ready.notify_one();
	}
	T take()
	{
		std::unique_lock<std::mutex> hold(lock);
		ready.wait(hold, [this] { return !items.empty(); });
		T v = std::move(items.back());
		items.pop_back();
		return v;
	}
};

static void exceptions()
{
	int caught = 0;
	for (int i = 0; i < 1000; i++)
		try {
			make_shape(i % 2 ? "square" : "blob", i);
		} catch (const bad_shape &e) {
			caught += std::string(e.what()).size();
		}
	std::cout << "exceptions " << caught << ", shapes of this thread " << shapes_made << '\n';
}

static void threads()
{
	std::atomic<long> total{0};
	channel<int> work;
	std::vector<std::thread> pool;
	for (int t = 0; t < 8; t++)
		pool.emplace_back([&] {
			for (int v; (v = work.take()) >= 0;)
				total += v;
		});
	for (int i = 1; i <= 5000; i++)
		work.put(i);
	std::vector<std::future<double>> areas;
	for (int i = 0; i < 16; i++)
		areas.push_back(std::async(std::launch::async, [i] { return make_shape("circle", i)->area(); }));
	double area = 0;
	for (auto &a : areas)
		area += a.get();
	while (total < 5000L * 5001 / 2)
		std::this_thread::yield();
	for (int t = 0; t < 8; t++)
		work.put(-1);
	for (auto &t : pool)
		t.join();
	std::cout << "threads " << total << ", area " << area << '\n';
}

static void containers()
{
	std::unordered_map<std::string, int> words;
	std::istringstream text("a b a c b a");
	for (std::string w; text >> w;)
		words[w]++;
	std::vector<std::pair<int, std::string>> order;
	for (auto &[w, n] : words)
		order.emplace_back(n, w);
	std::sort(order.rbegin(), order.rend());
	for (auto &[n, w] : order)
		std::cout << w << '=' << n << ' ';
	std::regex date("(\\d{4})-(\\d\\d)");
	std::cout << std::regex_replace("on 2020-05 and 2021-06", date, "$2/$1") << '\n';
	std::variant<int, std::string> v = std::string("variant");
	std::cout << std::get<std::string>(v) << ' ' << sum(1, 2.5, 3L) << ' ' << fib<80>::value << '\n';
}

int main()
{
	exceptions();
	threads();
	containers();
#ifndef NO_PLUGIN
	void *plugin = dlopen("./plugin.so", RTLD_NOW);
	auto get = plugin ? reinterpret_cast<int (*)()>(dlsym(plugin, "plugin_sum")) : nullptr;
	int here = get ? get() : -1, there = -1;
	std::thread([&] { there = get ? get() + get() : -1; }).join();
	std::cout << "plugin " << here << ' ' << there << '\n';
	if (plugin)
		dlclose(plugin);
#else
	std::cout << "plugin none\n";
#endif
}
