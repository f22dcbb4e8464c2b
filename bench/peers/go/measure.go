package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A slow machine gets so many times the time to get warm, until so many messages were sent: what compiles while it runs is slow before.
const (
	warmTimesMax = 5
	warmCount    = 5000
)

// untilReady is how long the first calls may fail: a topic that was just made is not known everywhere at once.
const untilReady = 30 * time.Second

// measureLoad keeps so many calls in flight, for a while to get warm and then, once it is told to, for what is measured, and says what that gave. A
// call is given its number, and gives the messages that it sent.
func measureLoad(inFlight int, warm, measured time.Duration, call func(turn int) int) {
	for begun, sent := time.Now(), 0; time.Since(begun) < warm || sent < warmCount && time.Since(begun) < warmTimesMax*warm; {
		count, _ := load(inFlight, warm/4, call)
		sent += count
	}
	sayReady()
	started := time.Now()
	count, latencies := load(inFlight, measured, call)
	sayDone(count, time.Since(started), latencies)
}

func load(inFlight int, duration time.Duration, call func(turn int) int) (int, []time.Duration) {
	var mutex sync.Mutex
	var all []time.Duration
	var count int
	var workers sync.WaitGroup
	until := time.Now().Add(duration)
	for index := range inFlight {
		workers.Add(1)
		go func() {
			defer workers.Done()
			var own []time.Duration
			var sent int
			for now, turn := time.Now(), index; now.Before(until); turn += inFlight {
				sent += call(turn)
				later := time.Now()
				own = append(own, later.Sub(now))
				now = later
			}
			mutex.Lock()
			all = append(all, own...)
			count += sent
			mutex.Unlock()
		}()
	}
	workers.Wait()
	return count, all
}

// backlog counts what is received; the first fifth is for getting warm.
type backlog struct {
	total, warm int64
	received    atomic.Int64
	started     time.Time
	end         chan struct{}
}

func newBacklog(count int) *backlog {
	return &backlog{total: int64(count), warm: int64(count) / 5, end: make(chan struct{})}
}

func (b *backlog) add(count int) {
	now := b.received.Add(int64(count))
	if before := now - int64(count); before < b.warm && now >= b.warm {
		b.started = time.Now()
		sayMeasured()
	} else if before < b.total && now >= b.total {
		close(b.end)
	}
}

// untilDone waits for all of it and says how long the measured part took.
func (b *backlog) untilDone() {
	<-b.end
	sayDone(int(b.total-b.warm), time.Since(b.started), nil)
}

// eventually tries again until it has succeeded once.
func eventually(try func() error) {
	until := time.Now().Add(untilReady)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			fail(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// sayReady waits for the line that tells this program, and others beside it, to begin.
func sayReady() {
	fmt.Println(`{"event":"ready"}`)
	_, err := os.Stdin.Read(make([]byte, 1))
	must(err)
}

func sayMeasured() {
	fmt.Println(`{"event":"measured"}`)
}

func sayDone(count int, duration time.Duration, latencies []time.Duration) {
	micros := make([]int64, len(latencies))
	for index, latency := range latencies {
		micros[index] = latency.Microseconds()
	}
	line, err := json.Marshal(map[string]any{
		"event": "done", "count": count, "seconds": duration.Seconds(), "latenciesMicros": micros,
	})
	must(err)
	fmt.Println(string(line))
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

// mustSucceed is for answers that tell of a failure by a field.
func mustSucceed(success bool, message string) {
	if !success {
		fail(fmt.Errorf("refused: %s", message))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
