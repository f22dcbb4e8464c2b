// Runs h2spec (https://github.com/summerwind/h2spec) against a server on this machine: h2spec PORT [tls].
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	passed, err := h2spec.Run(&config.Config{
		Host:         "127.0.0.1",
		Port:         port,
		Path:         "/",
		Timeout:      10 * time.Second,
		MaxHeaderLen: 4000,
		Strict:       true,
		TLS:          len(os.Args) > 2,
		Insecure:     true,
	})
	if err != nil {
		fmt.Println(err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}
