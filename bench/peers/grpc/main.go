// Program peer is what the benchmark of the proxy needs of Go: a proxy of the published API on the official Go client, to compare with, and
// clients that load a proxy without being what limits it.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		fail(fmt.Errorf("give proxy, send, receive, live or idle"))
	}
	switch arguments[0] {
	case "proxy":
		serve(arguments[1])
	case "send":
		send(arguments[1:])
	case "receive":
		receive(arguments[1:])
	case "live":
		live(arguments[1:])
	case "idle":
		idle(arguments[1:])
	default:
		fail(fmt.Errorf("%s is not proxy, send, receive, live or idle", arguments[0]))
	}
}

// untilSignal waits until the program is told to end.
func untilSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func milliseconds(text string) time.Duration {
	return time.Duration(number(text)) * time.Millisecond
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
