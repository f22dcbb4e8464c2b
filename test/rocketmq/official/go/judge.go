package main

import (
	"context"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const (
	deadline = 150 * time.Second
	// soon judges no promptness: it is longer than twice the 20 s after which a client that missed its chance looks for its queues again.
	soon = 50 * time.Second
	poll = 25 * time.Millisecond
)

// settings are the same for all scenarios of a run.
type settings struct {
	nameServer    string
	prefix        string
	brokerAddress string
	brokerName    string
}

func (s *settings) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{s.nameServer})
}

// findBroker sends one message to a topic that nobody made: its id names the broker, whom the admin client wants to have named.
func (s *settings) findBroker() error {
	p, err := producer.NewDefaultProducer(producer.WithNsResolver(s.resolver()), producer.WithGroupName(s.prefix+"-first"),
		producer.WithInstanceName(s.prefix+"-first"))
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Shutdown()
	sent, err := p.SendSync(context.Background(), primitive.NewMessage(s.prefix+"-first", []byte("first")))
	if err != nil {
		return err
	}
	id, err := primitive.UnmarshalMsgID([]byte(sent.OffsetMsgID))
	if err != nil {
		return err
	}
	s.brokerAddress = fmt.Sprintf("%s:%d", id.Addr, id.Port)
	s.brokerName = sent.MessageQueue.BrokerName
	return nil
}

// judge is what one scenario works with: names of its own, clients that are closed at its end, and ways to wait and to insist.
type judge struct {
	*settings
	name    string
	mutex   sync.Mutex
	closers []func()
	facts   []string
	clients int
}

// wrong is what a scenario panics with; anything else is an error of this program.
type wrong string

func newJudge(name string, settings *settings) *judge {
	return &judge{settings: settings, name: name}
}

func (j *judge) judge(s scenario) verdict {
	start := time.Now()
	done := make(chan string, 1)
	go func() {
		defer func() {
			switch problem := recover().(type) {
			case nil:
				done <- ""
			case wrong:
				done <- string(problem)
			default:
				done <- fmt.Sprintf("panic: %v", problem)
			}
		}()
		s.run(j)
	}()
	var problem string
	select {
	case problem = <-done:
	case <-time.After(deadline):
		problem = fmt.Sprintf("not done after %v", deadline)
	}
	j.mutex.Lock()
	facts := strings.Join(j.facts, "; ")
	closers := j.closers
	j.mutex.Unlock()
	go func() {
		for _, closer := range closers {
			closer()
		}
	}()
	return verdict{s.name, problem == "", time.Since(start).Milliseconds(), strings.TrimSpace(problem + " " + facts)}
}

func (j *judge) named(what string) string {
	return j.prefix + "-" + j.name + "-" + what
}

func (j *judge) instance() string {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.clients++
	return j.named(fmt.Sprint(j.clients))
}

func (j *judge) closing(closer func() error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.closers = append(j.closers, func() { _ = closer() })
}

func (j *judge) fact(format string, args ...any) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.facts = append(j.facts, fmt.Sprintf(format, args...))
}

func (j *judge) check(holds bool, what string, args ...any) {
	if !holds {
		_, file, line, _ := runtime.Caller(1)
		panic(wrong(fmt.Sprintf("does not hold: %s at %s:%d", fmt.Sprintf(what, args...), file[strings.LastIndex(file, "/")+1:], line)))
	}
}

func (j *judge) must(err error, what string) {
	if err != nil {
		panic(wrong(fmt.Sprintf("%s: %v", what, err)))
	}
}

func (j *judge) await(what string, timeout time.Duration, condition func() bool) {
	end := time.Now().Add(timeout)
	for !condition() {
		if time.Now().After(end) {
			panic(wrong(fmt.Sprintf("waited %v in vain for %s", timeout, what)))
		}
		time.Sleep(poll)
	}
}

// sameElements insists on the same elements, each as often, in any order.
func (j *judge) sameElements(what string, expected []string, actual []string) {
	a, b := append([]string{}, expected...), append([]string{}, actual...)
	sort.Strings(a)
	sort.Strings(b)
	if strings.Join(a, " ") != strings.Join(b, " ") {
		panic(wrong(fmt.Sprintf("%s: expected %d %v but was %d %v", what, len(a), a, len(b), b)))
	}
}

func numbered(prefix string, count int) []string {
	var names []string
	for i := 0; i < count; i++ {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

func (j *judge) admin() interface {
	CreateTopic(context.Context, ...admin.OptionCreate) error
	DeleteTopic(context.Context, ...admin.OptionDelete) error
	FetchPublishMessageQueues(context.Context, string) ([]*primitive.MessageQueue, error)
	FetchAllTopicList(context.Context) (*admin.TopicList, error)
	Close() error
} {
	a, err := admin.NewAdmin(admin.WithResolver(j.resolver()))
	j.must(err, "admin client")
	return a
}

// topic makes a new topic and waits for its route.
func (j *judge) topic(what string, queueCount int) string {
	topic := j.named(what)
	a := j.admin()
	j.must(a.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(j.brokerAddress),
		admin.WithReadQueueNums(queueCount), admin.WithWriteQueueNums(queueCount)), "create topic")
	j.await("the route of a new topic", soon, func() bool { return j.hasRoute(topic) })
	return topic
}

func (j *judge) hasRoute(topic string) bool {
	queues, err := j.admin().FetchPublishMessageQueues(context.Background(), topic)
	return err == nil && len(queues) > 0
}

func (j *judge) producer(options ...producer.Option) rocketmq.Producer {
	all := append([]producer.Option{
		producer.WithNsResolver(j.resolver()), producer.WithInstanceName(j.instance()),
		producer.WithGroupName(j.named("producer")), producer.WithSendMsgTimeout(soon),
	}, options...)
	p, err := rocketmq.NewProducer(all...)
	j.must(err, "new producer")
	j.must(p.Start(), "start producer")
	j.closing(p.Shutdown)
	return p
}

func (j *judge) send(p rocketmq.Producer, messages ...*primitive.Message) *primitive.SendResult {
	result, err := p.SendSync(context.Background(), messages...)
	j.must(err, "send")
	j.check(result.Status == primitive.SendOK, "send status %v is OK", result.Status)
	return result
}

func (j *judge) sendAll(p rocketmq.Producer, topic string, bodies []string) {
	for _, body := range bodies {
		j.send(p, primitive.NewMessage(topic, []byte(body)))
	}
}

func (j *judge) consumerOptions(group string, options []consumer.Option) []consumer.Option {
	return append([]consumer.Option{
		consumer.WithNsResolver(j.resolver()), consumer.WithInstance(j.instance()),
		consumer.WithGroupName(group), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
}

type handler func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

func (j *judge) push(group, topic string, selector consumer.MessageSelector, handle handler, options ...consumer.Option) rocketmq.PushConsumer {
	c, err := rocketmq.NewPushConsumer(j.consumerOptions(group, options)...)
	j.must(err, "new push consumer")
	j.must(c.Subscribe(topic, selector, handle), "subscribe")
	j.must(c.Start(), "start push consumer")
	j.closing(c.Shutdown)
	return c
}

// collector takes every message and remembers it, with the time of its arrival.
type collector struct {
	mutex    sync.Mutex
	arrivals []arrival
}

type arrival struct {
	body           string
	message        *primitive.MessageExt
	at             time.Time
	reconsumeTimes int32
}

func (c *collector) handle(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	c.add(messages)
	return consumer.ConsumeSuccess, nil
}

func (c *collector) add(messages []*primitive.MessageExt) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, message := range messages {
		c.arrivals = append(c.arrivals, arrival{string(message.Body), message, time.Now(), message.ReconsumeTimes})
	}
}

func (c *collector) all() []arrival {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return append([]arrival{}, c.arrivals...)
}

func (c *collector) of(body string) []arrival {
	var found []arrival
	for _, a := range c.all() {
		if a.body == body {
			found = append(found, a)
		}
	}
	return found
}

func (c *collector) bodies() []string {
	var found []string
	for _, a := range c.all() {
		found = append(found, a.body)
	}
	return found
}

func (c *collector) count() int {
	return len(c.all())
}
