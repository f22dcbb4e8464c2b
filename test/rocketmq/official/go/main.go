// Program judge runs scenarios on the official Go client against a cluster and prints one JSON line for each; it ends with 0 only
// if all are well. With -members it plays members of groups instead: see members.go.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
	"github.com/sirupsen/logrus"
)

type scenario struct {
	name string
	run  func(*judge)
}

// The long ones first: they wait most of their time, so the others fit beside them.
var scenarios = []scenario{
	{"push-orderly", pushOrderly},
	{"push-dead-letter", pushDeadLetter},
	{"transaction", transaction},
	{"push-clustering", pushClustering},
	{"push-broadcasting", pushBroadcasting},
	{"push-tag-filter", pushTagFilter},
	{"push-sql-filter", pushSQLFilter},
	{"request-reply", requestReply},
	{"pull-poll", pullPoll},
	{"pull-from", pullFrom},
	{"send-delay-level", sendDelayLevel},
	{"send-sync", sendSync},
	{"send-async", sendAsync},
	{"send-one-way", sendOneWay},
	{"send-batch", sendBatch},
	{"admin-topic", adminTopic},
}

type verdict struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	TookMs   int64  `json:"tookMs"`
	Detail   string `json:"detail"`
}

func main() {
	settings := &settings{}
	parallel := flag.Int("parallel", 8, "scenarios that run at the same time")
	flag.StringVar(&settings.nameServer, "name-server", "127.0.0.1:9876", "host:port")
	flag.StringVar(&settings.prefix, "prefix", fmt.Sprintf("judge%d", time.Now().UnixMilli()), "first part of all names")
	isMembers := flag.Bool("members", false, "be members of groups, as the standard input says, instead of a judge")
	flag.Parse()
	quiet()
	if *isMembers {
		runMembers(settings)
		return
	}
	if err := settings.findBroker(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !runAll(asked(flag.Args()), settings, *parallel) {
		os.Exit(1)
	}
}

// quiet keeps the client's log off the standard output, which verdicts have alone.
func quiet() {
	rlog.SetLogLevel("fatal")
	logrus.SetOutput(io.Discard)
}

func asked(names []string) []scenario {
	if len(names) == 0 {
		return scenarios
	}
	known := map[string]scenario{}
	for _, s := range scenarios {
		known[s.name] = s
	}
	var chosen []scenario
	for _, name := range names {
		s, isKnown := known[name]
		if !isKnown {
			s = scenario{name, func(j *judge) { j.check(false, "there is a scenario of this name") }}
		}
		chosen = append(chosen, s)
	}
	return chosen
}

func runAll(chosen []scenario, settings *settings, parallel int) bool {
	slots := make(chan struct{}, parallel)
	verdicts := make(chan verdict)
	var all sync.WaitGroup
	go func() {
		for _, s := range chosen {
			slots <- struct{}{}
			all.Add(1)
			go func(s scenario) {
				defer all.Done()
				verdicts <- newJudge(s.name, settings).judge(s)
				<-slots
			}(s)
		}
		all.Wait()
		close(verdicts)
	}()
	ok := true
	for v := range verdicts {
		line, _ := json.Marshal(v)
		fmt.Println(string(line))
		ok = ok && v.OK
	}
	return ok
}
