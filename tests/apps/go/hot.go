// What a Go program's runtime needs of the kernel: goroutines on several threads, preemption of loops by signals, garbage
// collection, timers, signals of its own, pipes, processes. Prints a line for each; all calls are made often enough that their sites are hot.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const rounds = 400

var failed bool

func say(name string, err error) {
	if err != nil {
		failed = true
		fmt.Printf("FAIL %s: %v\n", name, err)
		return
	}
	fmt.Printf("ok %s\n", name)
}

// Goroutines that pass numbers along a ring.
func ring() error {
	const n = 50
	first := make(chan int)
	in := first
	for i := 0; i < n; i++ {
		out := make(chan int)
		go func(in, out chan int) {
			for v := range in {
				out <- v + 1
			}
			close(out)
		}(in, out)
		in = out
	}
	go func() {
		for i := 0; i < rounds; i++ {
			first <- i
		}
		close(first)
	}()
	i := 0
	for v := range in {
		if v != i+n {
			return fmt.Errorf("%d instead of %d", v, i+n)
		}
		i++
	}
	if i != rounds {
		return fmt.Errorf("%d of %d came", i, rounds)
	}
	return nil
}

// Loops without a call in them: only a signal makes them let others run, and collection needs all of them stopped.
func preemption() error {
	var stop uint32
	var wg sync.WaitGroup
	var sums [3]uint64
	for i := range sums {
		wg.Add(1)
		go func(sum *uint64) {
			defer wg.Done()
			for n := uint64(0); atomic.LoadUint32(&stop) == 0; n++ {
				*sum = *sum*6364136223846793005 + n
			}
		}(&sums[i])
	}
	for i := 0; i < 8; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	atomic.StoreUint32(&stop, 1)
	wg.Wait()
	return nil
}

type node struct {
	left, right *node
	value       int
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{value: 1}
	}
	return &node{tree(depth - 1), tree(depth - 1), 1}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.value + n.left.sum() + n.right.sum()
}

// Garbage from several goroutines, collected while they look at theirs; memory goes back to the kernel in between.
func collection() error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	errs := make(chan error, 4)
	for g := 0; g < cap(errs); g++ {
		go func() {
			kept := tree(12)
			for i := 0; i < 20; i++ {
				if n := tree(11).sum(); n != 1<<12-1 {
					errs <- fmt.Errorf("a tree of %d", n)
					return
				}
			}
			if n := kept.sum(); n != 1<<13-1 {
				errs <- fmt.Errorf("a kept tree of %d", n)
				return
			}
			errs <- nil
		}()
	}
	for g := 0; g < cap(errs); g++ {
		if err := <-errs; err != nil {
			return err
		}
		debug.FreeOSMemory()
	}
	runtime.ReadMemStats(&after)
	if after.NumGC-before.NumGC < 4 {
		return fmt.Errorf("%d collections", after.NumGC-before.NumGC)
	}
	return nil
}

// Calls by the runtime's one site for all of them, from threads that are preempted meanwhile.
func calls(dir string) error {
	errs := make(chan error, 8)
	for g := 0; g < cap(errs); g++ {
		go func(g int) {
			errs <- func() error {
				name := filepath.Join(dir, fmt.Sprint("file", g))
				for i := 0; i < rounds; i++ {
					want := []byte(fmt.Sprint(g, i))
					if err := os.WriteFile(name, want, 0600); err != nil {
						return err
					}
					got, err := os.ReadFile(name)
					if err != nil {
						return err
					}
					if !bytes.Equal(got, want) {
						return fmt.Errorf("%q instead of %q", got, want)
					}
					if syscall.Getppid() != os.Getppid() || syscall.Getpid() != os.Getpid() {
						return fmt.Errorf("another process")
					}
					if err := syscall.Close(-1); err != syscall.EBADF {
						return fmt.Errorf("close: %v", err)
					}
					if _, err := os.Stat(name + "x"); !os.IsNotExist(err) {
						return fmt.Errorf("stat: %v", err)
					}
				}
				return os.Remove(name)
			}()
		}(g)
	}
	for g := 0; g < cap(errs); g++ {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func timers() error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(time.Minute)
	for i := 0; i < 50; i++ {
		select {
		case <-ticker.C:
		case <-timeout:
			return fmt.Errorf("%d ticks in a minute", i)
		}
	}
	return nil
}

// Each signal comes, once: who sent the one waits for it.
func signals() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	for i := 0; i < rounds; i++ {
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
			return err
		}
		if s := <-c; s != syscall.SIGUSR1 {
			return fmt.Errorf("%v", s)
		}
	}
	return nil
}

// A fault becomes a panic, which is recovered from.
func faults() error {
	for i := 0; i < rounds; i++ {
		err := func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = r.(error)
				}
			}()
			var n *node
			n.value = i
			return nil
		}()
		if _, is := err.(runtime.Error); !is {
			return fmt.Errorf("%v", err)
		}
	}
	return nil
}

// An echo by a socket, which the runtime polls.
func sockets(dir string) error {
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	for g := 0; g < 4; g++ {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			return err
		}
		for i := 0; i < rounds; i++ {
			want := []byte(fmt.Sprint("message ", i))
			if _, err := c.Write(want); err != nil {
				return err
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%q instead of %q", got, want)
			}
		}
		c.Close()
	}
	return nil
}

func processes() error {
	for i := 0; i < 10; i++ {
		out, err := exec.Command("/bin/echo", "text").Output()
		if err != nil {
			return err
		}
		if string(out) != "text\n" {
			return fmt.Errorf("%q", out)
		}
	}
	return nil
}

func main() {
	dir, err := os.MkdirTemp("", "go")
	if err != nil {
		fmt.Println("FAIL directory:", err)
		os.Exit(1)
	}
	say("ring", ring())
	say("preemption", preemption())
	say("collection", collection())
	say("calls", calls(dir))
	say("timers", timers())
	say("signals", signals())
	say("faults", faults())
	say("sockets", sockets(dir))
	say("processes", processes())
	say("removed", os.RemoveAll(dir))
	if failed {
		os.Exit(1)
	}
}
