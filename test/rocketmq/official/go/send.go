package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// received waits until a new group has got that many messages of a topic.
func (j *judge) received(topic string, count int) []arrival {
	c := &collector{}
	j.push(j.named("reader"), topic, consumer.MessageSelector{}, c.handle)
	j.await(fmt.Sprintf("%d messages", count), soon, func() bool { return c.count() >= count })
	time.Sleep(300 * time.Millisecond)
	return c.all()
}

func bodiesOf(arrivals []arrival) []string {
	var bodies []string
	for _, a := range arrivals {
		bodies = append(bodies, a.body)
	}
	return bodies
}

func sendSync(j *judge) {
	topic := j.topic("topic", 4)
	p := j.producer()
	results := map[string]*primitive.SendResult{}
	for _, body := range numbered("m", 20) {
		message := primitive.NewMessage(topic, []byte(body)).WithTag("tag").WithKeys([]string{"key-" + body, "all"})
		message.WithProperty("text", "ü中😀")
		results[body] = j.send(p, message)
	}
	// Above 4 KiB the client compresses.
	long := strings.Repeat("abcdefgh", 4_000)
	j.send(p, primitive.NewMessage(topic, []byte(long)))
	for _, a := range j.received(topic, 21) {
		if a.body == long {
			delete(results, "long")
			continue
		}
		sent := results[a.body]
		j.check(sent != nil, "%s came once", a.body)
		delete(results, a.body)
		j.check(a.message.MsgId == sent.MsgID, "message id %s is %s", a.message.MsgId, sent.MsgID)
		j.check(a.message.GetTags() == "tag" && a.message.GetKeys() == "key-"+a.body+" all", "tag and keys of %s", a.body)
		j.check(a.message.GetProperty("text") == "ü中😀", "text of %s", a.body)
		j.check(a.message.QueueOffset == sent.QueueOffset, "queue offset of %s", a.body)
		j.check(a.message.Queue.QueueId == sent.MessageQueue.QueueId, "queue of %s", a.body)
	}
	j.check(len(results) == 0, "all came, but not %v", results)
}

func sendAsync(j *judge) {
	topic := j.topic("topic", 4)
	p := j.producer()
	var done sync.WaitGroup
	bodies := numbered("m", 50)
	errors := make(chan error, len(bodies))
	for _, body := range bodies {
		done.Add(1)
		err := p.SendAsync(context.Background(), func(_ context.Context, _ *primitive.SendResult, err error) {
			if err != nil {
				errors <- err
			}
			done.Done()
		}, primitive.NewMessage(topic, []byte(body)))
		j.must(err, "send")
	}
	done.Wait()
	j.check(len(errors) == 0, "all are sent, but %d are not", len(errors))
	j.sameElements("received", bodies, bodiesOf(j.received(topic, len(bodies))))
}

func sendOneWay(j *judge) {
	topic := j.topic("topic", 4)
	p := j.producer()
	bodies := numbered("m", 30)
	for _, body := range bodies {
		j.must(p.SendOneWay(context.Background(), primitive.NewMessage(topic, []byte(body))), "send")
	}
	j.sameElements("received", bodies, bodiesOf(j.received(topic, len(bodies))))
}

func sendBatch(j *judge) {
	topic := j.topic("topic", 4)
	var messages []*primitive.Message
	for _, body := range numbered("m", 20) {
		messages = append(messages, primitive.NewMessage(topic, []byte(body)).WithKeys([]string{"key-" + body}))
	}
	j.send(j.producer(), messages...)
	arrivals := j.received(topic, 20)
	j.sameElements("received", numbered("m", 20), bodiesOf(arrivals))
	for _, a := range arrivals {
		j.check(a.message.GetKeys() == "key-"+a.body, "keys of %s", a.body)
	}
}

func sendDelayLevel(j *judge) {
	topic := j.topic("topic", 2)
	c := &collector{}
	j.push(j.named("group"), topic, consumer.MessageSelector{}, c.handle)
	p := j.producer()
	start := time.Now()
	for level := 0; level <= 2; level++ {
		j.send(p, primitive.NewMessage(topic, []byte(fmt.Sprintf("level%d", level))).WithDelayTimeLevel(level))
	}
	j.await("3 deliveries", 14*time.Second, func() bool { return c.count() >= 3 })
	for level, due := range []time.Duration{0, time.Second, 5 * time.Second} {
		arrivals := c.of(fmt.Sprintf("level%d", level))
		j.check(len(arrivals) == 1, "level %d came once", level)
		took := arrivals[0].at.Sub(start)
		j.fact("level %d after %d ms", level, took.Milliseconds())
		j.check(took > due-50*time.Millisecond && took < due+5*time.Second, "level %d after %v", level, took)
		j.check(arrivals[0].message.Topic == topic, "topic of level %d", level)
	}
}

// decisions follow the bodies: `<at once>-<when asked>-<number>`.
type decisions struct {
	mutex   sync.Mutex
	checked []string
}

func (d *decisions) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	return decision(strings.Split(string(message.Body), "-")[0])
}

func (d *decisions) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.checked = append(d.checked, string(message.Body))
	return decision(strings.Split(string(message.Body), "-")[1])
}

func (d *decisions) count() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return len(d.checked)
}

func decision(word string) primitive.LocalTransactionState {
	switch word {
	case "commit":
		return primitive.CommitMessageState
	case "rollback":
		return primitive.RollbackMessageState
	default:
		return primitive.UnknowState
	}
}

func transaction(j *judge) {
	topic := j.topic("topic", 4)
	c := &collector{}
	j.push(j.named("group"), topic, consumer.MessageSelector{}, c.handle)
	d := &decisions{}
	p, err := rocketmq.NewTransactionProducer(d, producer.WithNsResolver(j.resolver()),
		producer.WithInstanceName(j.instance()), producer.WithGroupName(j.named("producer")))
	j.must(err, "new transaction producer")
	j.must(p.Start(), "start transaction producer")
	j.closing(p.Shutdown)
	for _, kind := range []string{"commit-none-", "rollback-none-", "unknown-commit-", "unknown-rollback-"} {
		for _, body := range numbered(kind, 3) {
			_, err := p.SendMessageInTransaction(context.Background(), primitive.NewMessage(topic, []byte(body)))
			j.must(err, "send in transaction")
		}
	}
	j.await("3 commits at once", 5*time.Second, func() bool { return c.count() >= 3 })
	j.sameElements("before any check", numbered("commit-none-", 3), c.bodies())
	j.await("6 checks and 3 more commits", 23*time.Second, func() bool { return c.count() >= 6 && d.count() >= 6 })
	time.Sleep(1500 * time.Millisecond)
	j.sameElements("after the checks", append(numbered("commit-none-", 3), numbered("unknown-commit-", 3)...), c.bodies())
}

// adminTopic makes and deletes a topic with the Go admin client.
func adminTopic(j *judge) {
	topic := j.topic("topic", 3)
	a := j.admin()
	queues, err := a.FetchPublishMessageQueues(context.Background(), topic)
	j.must(err, "queues of a topic")
	j.check(len(queues) == 3, "%d queues are 3", len(queues))
	list, err := a.FetchAllTopicList(context.Background())
	j.must(err, "topic list")
	j.check(contains(list.TopicList, topic), "the list of topics has the new one")
	j.must(a.DeleteTopic(context.Background(), admin.WithTopicDelete(topic), admin.WithBrokerAddrDelete(j.brokerAddress),
		admin.WithNameSrvAddr([]string{j.nameServer})), "delete topic")
	list, err = a.FetchAllTopicList(context.Background())
	j.must(err, "topic list")
	j.check(!contains(list.TopicList, topic), "the list of topics has the deleted one no more")
}

func contains(list []string, element string) bool {
	for _, each := range list {
		if each == element {
			return true
		}
	}
	return false
}
