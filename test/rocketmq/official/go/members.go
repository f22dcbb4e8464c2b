package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const work = 5 * time.Millisecond

// members are push consumers that join groups and leave them as the lines of the standard input say, words divided by tabs:
// "join member topic group concurrently|orderly" and "leave member". One JSON line is printed when that is done, and one for each message
// that a member has worked on.
type members struct {
	*settings
	printing  sync.Mutex
	mutex     sync.Mutex
	consumers map[string]rocketmq.PushConsumer
}

type event struct {
	Event   string `json:"event"`
	Member  string `json:"member"`
	Body    string `json:"body,omitempty"`
	BeginMs int64  `json:"beginMs,omitempty"`
	EndMs   int64  `json:"endMs,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

func runMembers(settings *settings) {
	m := &members{settings: settings, consumers: map[string]rocketmq.PushConsumer{}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		go m.run(strings.Split(lines.Text(), "\t"))
	}
}

func (m *members) run(words []string) {
	member := words[1]
	var err error
	if words[0] == "join" {
		err = m.join(member, words[2], words[3], words[4] == "orderly")
	} else {
		m.mutex.Lock()
		c := m.consumers[member]
		delete(m.consumers, member)
		m.mutex.Unlock()
		err = c.Shutdown()
	}
	if err != nil {
		m.tell(event{Event: "failed", Member: member, Detail: err.Error()})
		return
	}
	m.tell(event{Event: "done", Member: member})
}

func (m *members) join(member, topic, group string, isOrderly bool) error {
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNsResolver(m.resolver()), consumer.WithInstance(member), consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithConsumerOrder(isOrderly))
	if err != nil {
		return err
	}
	handle := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			begin := time.Now()
			time.Sleep(work)
			m.tell(event{Event: "handled", Member: member, Body: string(message.Body), BeginMs: begin.UnixMilli(),
				EndMs: time.Now().UnixMilli()})
		}
		return consumer.ConsumeSuccess, nil
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{}, handle); err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	m.mutex.Lock()
	m.consumers[member] = c
	m.mutex.Unlock()
	return nil
}

func (m *members) tell(e event) {
	line, _ := json.Marshal(e)
	m.printing.Lock()
	defer m.printing.Unlock()
	fmt.Println(string(line))
}
