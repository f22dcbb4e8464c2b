// Program interop judges a proxy by grpc-go: interop CLEARTEXT_ADDRESS TLS_ADDRESS CA_FILE TOPIC_PREFIX. Topics are the prefix, `-cleartext-`
// or `-tls-`, and the scenario. It prints a line of JSON for each scenario and ends with 0 only if all are well.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	api "interop/api/rocketmq"
)

type verdict struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	Detail   string `json:"detail"`
	TookMs   int64  `json:"tookMs"`
}

func main() {
	cleartext, secure, caFile, prefix := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	byTLS, err := credentials.NewClientTLSFromFile(caFile, "")
	must(err)
	isWell := judge("cleartext", cleartext, insecure.NewCredentials(), prefix)
	isWell = judge("tls", secure, byTLS, prefix) && isWell
	if !isWell {
		os.Exit(1)
	}
}

// judge runs all scenarios side by side on one connection.
func judge(name, address string, by credentials.TransportCredentials, prefix string) bool {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(by))
	must(err)
	defer connection.Close()
	client := api.NewRocketMQProxyClient(connection)
	isWell := true
	var lock sync.Mutex
	var all sync.WaitGroup
	for scenario, run := range scenarios {
		all.Go(func() {
			start := time.Now()
			err := run(client, fmt.Sprintf("%s-%s-%s", prefix, name, scenario))
			said := verdict{Scenario: name + " " + scenario, OK: err == nil, TookMs: time.Since(start).Milliseconds()}
			if err != nil {
				said.Detail = err.Error()
			}
			line, _ := json.Marshal(said)
			lock.Lock()
			defer lock.Unlock()
			fmt.Println(string(line))
			isWell = isWell && err == nil
		})
	}
	all.Wait()
	return isWell
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
