// Program peer is the official Go client as a peer of the benchmark: one measurement, told on stdout in lines of JSON.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
	"github.com/sirupsen/logrus"
)

func main() {
	logrus.SetOutput(io.Discard)
	rlog.SetLogLevel("error")
	arguments := os.Args[1:]
	switch arguments[0] {
	case "send":
		send(arguments)
	case "receive":
		receive(arguments)
	default:
		fail(fmt.Errorf("give send or receive"))
	}
	// Until its memory has been read.
	_, err := io.Copy(io.Discard, os.Stdin)
	must(err)
}

// send NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES
func send(arguments []string) {
	p, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{arguments[1]}),
		producer.WithGroupName("peer-go"),
	)
	must(err)
	must(p.Start())
	inFlight := number(arguments[3])
	body := bytes.Repeat([]byte("x"), number(arguments[6]))
	load(p, arguments[2], body, inFlight, milliseconds(arguments[4]))
	fmt.Println(`{"event":"measured"}`)
	started := time.Now()
	latencies := load(p, arguments[2], body, inFlight, milliseconds(arguments[5]))
	done(len(latencies), time.Since(started), latencies)
	must(p.Shutdown())
}

func load(p rocketmq.Producer, topic string, body []byte, inFlight int, duration time.Duration) []time.Duration {
	var mutex sync.Mutex
	var all []time.Duration
	var senders sync.WaitGroup
	until := time.Now().Add(duration)
	for range make([]struct{}, inFlight) {
		senders.Add(1)
		go func() {
			defer senders.Done()
			var own []time.Duration
			for now := time.Now(); now.Before(until); {
				_, err := p.SendSync(context.Background(), primitive.NewMessage(topic, body))
				must(err)
				later := time.Now()
				own = append(own, later.Sub(now))
				now = later
			}
			mutex.Lock()
			all = append(all, own...)
			mutex.Unlock()
		}()
	}
	senders.Wait()
	return all
}

// receive NAME_SERVER TOPIC GROUP COUNT: the first fifth is for getting warm.
func receive(arguments []string) {
	count := int64(number(arguments[4]))
	warm := count / 5
	var received int64
	var started atomic.Value
	end := make(chan struct{})
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer([]string{arguments[1]}),
		consumer.WithGroupName(arguments[3]),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	must(err)
	handle := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		now := atomic.AddInt64(&received, int64(len(messages)))
		if now == warm {
			started.Store(time.Now())
			fmt.Println(`{"event":"measured"}`)
		}
		if now == count {
			close(end)
		}
		return consumer.ConsumeSuccess, nil
	}
	must(c.Subscribe(arguments[2], consumer.MessageSelector{}, handle))
	must(c.Start())
	<-end
	done(int(count-warm), time.Since(started.Load().(time.Time)), nil)
	must(c.Shutdown())
}

func done(count int, duration time.Duration, latencies []time.Duration) {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	fmt.Printf("{\"event\":\"done\",\"count\":%d,\"seconds\":%.6f,\"p50Ms\":%.3f,\"p99Ms\":%.3f}\n",
		count, duration.Seconds(), at(latencies, 0.5), at(latencies, 0.99))
}

func at(sorted []time.Duration, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	index := min(len(sorted)-1, int(float64(len(sorted))*part))
	return float64(sorted[index].Nanoseconds()) / 1e6
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
