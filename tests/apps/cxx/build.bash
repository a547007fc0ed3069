#!/bin/bash
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C
mkdir cxx && cd cxx || exit
cp "$APPS"/cxx/*.cc "$APPS"/cxx/*.h . || exit

does compile g++ -O2 -std=c++17 -pthread -c main.cc -o main.o
does compile_pic g++ -O2 -std=c++17 -fPIC -c shape.cc -o shape.o
does compile_plugin g++ -O2 -std=c++17 -fPIC -shared -o plugin.so plugin.cc
does link_shared g++ -shared -Wl,-soname,libshape.so.1 -o libshape.so.1 shape.o
ln -s libshape.so.1 libshape.so
# shellcheck disable=SC2016  # $ORIGIN is the loader's
does link g++ -o main main.o -L. -lshape -ldl -pthread -Wl,-rpath,'$ORIGIN'
does link_static g++ -static -O1 -std=c++17 -pthread -o static main.cc shape.cc -DNO_PLUGIN
does precompile g++ -O2 -std=c++17 -x c++-header -o shape.h.gch shape.h
does compile_lto g++ -O2 -flto=2 -std=c++17 -pthread -DNO_PLUGIN -o lto main.cc shape.cc
does compile_debug g++ -g -O0 -std=c++17 -fPIC -c shape.cc -o debug.o
sha256sum main.o shape.o libshape.so.1 plugin.so main
./main
is runs $? 0
./static | cksum
is static_is_the_same "$(./static | grep -v plugin)" "$(./main | grep -v plugin)"
is lto_is_the_same "$(./lto)" "$(./static)"
is preload "$(LD_PRELOAD=./plugin.so ./main | tail -n 1)" "$(./main | tail -n 1)"
is library_is_missing "$(mv libshape.so.1 x; ./main 2>/dev/null; echo $?; mv x libshape.so.1)" 127
is ldd "$(ldd main | grep -c 'libshape.so.1 => .*/cxx/')" 1
sum nm nm -C main.o
sum objdump objdump -dr shape.o
sum readelf readelf -aW libshape.so.1
ar rcsD libshape.a shape.o main.o
sum archive cat libshape.a
is ar_t "$(ar t libshape.a | xargs)" "shape.o main.o"
g++ -o from_archive main.o libshape.a -ldl -pthread
is from_archive "$(./from_archive)" "$(./main)"
cp main stripped
strip stripped
is strip "$(($(stat -c %s stripped) < $(stat -c %s main))) $(nm stripped 2>&1 | grep -c 'no symbols')" "1 1"
is stripped_runs "$(./stripped)" "$(./main)"
objcopy --only-keep-debug debug.o debug.dbg
does objcopy [ -s debug.dbg ]
is addr2line "$(addr2line -e debug.o 0 | sed 's/.*\///; s/:.*//')" shape.cc
echo 'int main() { return undefined_thing; }' >bad.cc
fails compile_error g++ -c bad.cc
is compile_error_text "$(g++ -c bad.cc 2>&1 | grep -c 'undefined_thing.*was not declared')" 1
fails link_error g++ -o none shape.o
is preprocessed_pipe "$(g++ -E shape.cc | g++ -O2 -std=c++17 -fpreprocessed -x c++ -S -o - - | grep -c 'area')" \
	"$(g++ -O2 -std=c++17 -S -pipe -o - shape.cc | grep -c 'area')"
cat >tiny.S <<'END'
	.globl _start
_start:	mov $60, %eax
	mov $42, %edi
	syscall
END
gcc -nostdlib -static -o tiny tiny.S && ./tiny
is assembly $? 42
