// Program peer is what the benchmark needs of Go: a proxy of the published API on the official Go client, to compare with; clients that load
// a proxy of that API, or Apache's, without being what limits it; and the official Go client without a proxy.
package main

import (
	"fmt"
	"io"
	"os"
)

// What the program can do, by its first argument; the others are for the function.
var modes = map[string]func(arguments []string){
	"proxy":          serve,
	"send":           send,
	"receive":        receive,
	"groups":         groups,
	"live":           live,
	"idle":           idle,
	"apache-send":    apacheSend,
	"apache-receive": apacheReceive,
	"client-send":    clientSend,
	"client-receive": clientReceive,
}

func main() {
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fail(fmt.Errorf("say what to do, as in main.go"))
	}
	modes[os.Args[1]](os.Args[2:])
}

// untilToldToEnd waits until the input ends: what was measured is read from the process before.
func untilToldToEnd() {
	_, err := io.Copy(io.Discard, os.Stdin)
	must(err)
}
