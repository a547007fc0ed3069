#ifndef SHAPE_H
#define SHAPE_H
#include <memory>
#include <stdexcept>
#include <string>

struct shape {
	virtual ~shape();
	virtual double area() const = 0;
	virtual std::string name() const = 0;
};

struct bad_shape : std::runtime_error {
	using std::runtime_error::runtime_error;
};

std::unique_ptr<shape> make_shape(const std::string &kind, double size);
extern thread_local int shapes_made;
#endif
