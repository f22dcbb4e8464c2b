package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// told is how long a client may take to look for its queues anew because the broker told it to; by itself it does so every 20 s.
const told = 15 * time.Second

func both(one, two *collector) []string {
	return append(one.bodies(), two.bodies()...)
}

func pushClustering(j *judge) {
	topic := j.topic("topic", 8)
	group := j.named("group")
	one, two := &collector{}, &collector{}
	first := j.push(group, topic, consumer.MessageSelector{}, one.handle)
	j.push(group, topic, consumer.MessageSelector{}, two.handle)
	p := j.producer()
	// The client does not show its queues, so messages are sent until both get some.
	var bodies []string
	j.await("messages for both", told, func() bool {
		next := numbered(fmt.Sprintf("a%d-", len(bodies)), 8)
		bodies = append(bodies, next...)
		j.sendAll(p, topic, next)
		time.Sleep(100 * time.Millisecond)
		return one.count() > 0 && two.count() > 0
	})
	j.await("all of them", soon, func() bool { return len(missing(bodies, both(one, two))) == 0 })
	steady := numbered("b", 80)
	before := one.count() + two.count()
	j.sendAll(p, topic, steady)
	j.await("80 more", soon, func() bool { return one.count()+two.count() >= before+80 })
	j.fact("shares %d + %d", one.count(), two.count())
	j.must(first.Shutdown(), "shutdown")
	last := numbered("c", 80)
	j.sendAll(p, topic, last)
	j.await("all 80 for the one that stays", told, func() bool { return len(missing(last, two.bodies())) == 0 })
	j.check(len(missing(append(bodies, steady...), both(one, two))) == 0, "nothing is lost")
}

func missing(expected, actual []string) []string {
	seen := map[string]bool{}
	for _, each := range actual {
		seen[each] = true
	}
	var absent []string
	for _, each := range expected {
		if !seen[each] {
			absent = append(absent, each)
		}
	}
	return absent
}

func pushBroadcasting(j *judge) {
	topic := j.topic("topic", 4)
	p := j.producer()
	collectors := []*collector{{}, {}}
	for _, c := range collectors {
		j.push(j.named("group"), topic, consumer.MessageSelector{}, c.handle, consumer.WithConsumerModel(consumer.BroadCasting))
	}
	bodies := numbered("m", 40)
	j.sendAll(p, topic, bodies)
	for _, c := range collectors {
		j.await("40 deliveries to each", soon, func() bool { return c.count() >= 40 })
	}
	time.Sleep(300 * time.Millisecond)
	for _, c := range collectors {
		j.sameElements("received", bodies, c.bodies())
	}
}

func pushOrderly(j *judge) {
	topic := j.topic("topic", 2)
	var mutex sync.Mutex
	accepted := map[int][]string{}
	count := 0
	var isSuspended atomic.Bool
	handle := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		body := string(messages[0].Body)
		if body == "1-10" && isSuspended.CompareAndSwap(false, true) {
			return consumer.SuspendCurrentQueueAMoment, nil
		}
		mutex.Lock()
		defer mutex.Unlock()
		accepted[messages[0].Queue.QueueId] = append(accepted[messages[0].Queue.QueueId], body)
		count++
		return consumer.ConsumeSuccess, nil
	}
	j.push(j.named("group"), topic, consumer.MessageSelector{}, handle, consumer.WithConsumerOrder(true),
		consumer.WithSuspendCurrentQueueTimeMillis(300*time.Millisecond))
	p := j.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	for i := 0; i < 20; i++ {
		for queueID := 0; queueID < 2; queueID++ {
			message := primitive.NewMessage(topic, []byte(fmt.Sprintf("%d-%d", queueID, i)))
			message.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: j.brokerName, QueueId: queueID}
			j.send(p, message)
		}
	}
	j.await("40 accepted", soon, func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return count >= 40
	})
	mutex.Lock()
	defer mutex.Unlock()
	for queueID := 0; queueID < 2; queueID++ {
		expected := numbered(fmt.Sprintf("%d-", queueID), 20)
		j.check(fmt.Sprint(expected) == fmt.Sprint(accepted[queueID]), "order of queue %d: %v", queueID, accepted[queueID])
	}
	j.check(isSuspended.Load(), "the handler has suspended once")
}

func pushTagFilter(j *judge) {
	topic := j.topic("topic", 4)
	c := &collector{}
	j.push(j.named("group"), topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "a || c"}, c.handle)
	p := j.producer()
	var expected []string
	for i := 0; i < 40; i++ {
		tag := []string{"a", "b", "c", "d"}[i%4]
		body := fmt.Sprintf("%s%d", tag, i)
		if tag == "a" || tag == "c" {
			expected = append(expected, body)
		}
		j.send(p, primitive.NewMessage(topic, []byte(body)).WithTag(tag))
	}
	j.await("20 deliveries", soon, func() bool { return c.count() >= 20 })
	time.Sleep(300 * time.Millisecond)
	j.sameElements("received", expected, c.bodies())
}

func pushSQLFilter(j *judge) {
	topic := j.topic("topic", 2)
	c := &collector{}
	selector := consumer.MessageSelector{Type: consumer.SQL92, Expression: "a > 5 AND region IN ('x','y')"}
	j.push(j.named("group"), topic, selector, c.handle)
	p := j.producer()
	var expected []string
	for i := 0; i < 30; i++ {
		region := []string{"x", "y", "z"}[i/10]
		message := primitive.NewMessage(topic, []byte(fmt.Sprintf("m%d", i)))
		message.WithProperty("a", fmt.Sprint(i%10))
		message.WithProperty("region", region)
		if i%10 > 5 && region != "z" {
			expected = append(expected, string(message.Body))
		}
		j.send(p, message)
	}
	j.await("8 deliveries", soon, func() bool { return c.count() >= 8 })
	time.Sleep(300 * time.Millisecond)
	j.sameElements("received", expected, c.bodies())
}

// pushDeadLetter fails every time; the second failure is one too many. A retry topic is made when the first consumer of a group says
// hello, and this client looks for queues every 20 s: so the group is introduced by a consumer that leaves again.
func pushDeadLetter(j *judge) {
	topic := j.topic("topic", 2)
	group := j.named("group")
	introducer := j.push(group, topic, consumer.MessageSelector{}, (&collector{}).handle)
	j.await("the retry topic of a new group", soon, func() bool { return j.hasRoute("%RETRY%" + group) })
	j.must(introducer.Shutdown(), "shutdown")
	// This client says no goodbye: the broker takes it off its list when it sees the connection closed.
	time.Sleep(500 * time.Millisecond)
	c := &collector{}
	handle := func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		c.add(messages)
		if concurrently, ok := primitive.GetConcurrentlyCtx(ctx); ok {
			concurrently.DelayLevelWhenNextConsume = 1
		}
		return consumer.ConsumeRetryLater, nil
	}
	j.push(group, topic, consumer.MessageSelector{}, handle, consumer.WithMaxReconsumeTimes(1))
	j.sendAll(j.producer(), topic, []string{"m0", "m1"})
	j.await("the first deliveries", soon, func() bool { return c.count() >= 2 })
	j.await("the second deliveries", soon, func() bool { return c.count() >= 4 })
	j.await("the dead letter queue", soon, func() bool { return j.hasRoute("%DLQ%" + group) })
	dead := j.received("%DLQ%"+group, 2)
	j.sameElements("dead letters", []string{"m0", "m1"}, bodiesOf(dead))
	for _, body := range []string{"m0", "m1"} {
		arrivals := c.of(body)
		j.check(len(arrivals) == 2, "%s came %d times, not 2", body, len(arrivals))
		j.check(arrivals[0].reconsumeTimes == 0 && arrivals[1].reconsumeTimes == 1, "reconsume times of %s", body)
		j.fact("%s again after %d ms", body, arrivals[1].at.Sub(arrivals[0].at).Milliseconds())
	}
}

func (j *judge) pullConsumer(group, topic string) rocketmq.PullConsumer {
	c, err := rocketmq.NewPullConsumer(j.consumerOptions(group, []consumer.Option{consumer.WithAutoCommit(false)})...)
	j.must(err, "new pull consumer")
	j.must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}), "subscribe")
	j.must(c.Start(), "start pull consumer")
	j.closing(c.Shutdown)
	return c
}

func pullPoll(j *judge) {
	topic := j.topic("topic", 4)
	bodies := numbered("m", 40)
	j.sendAll(j.producer(), topic, bodies)
	c := j.pullConsumer(j.named("group"), topic)
	polled := &collector{}
	j.await("40 messages", soon, func() bool {
		request, err := c.Poll(context.Background(), time.Second)
		if err != nil {
			return false
		}
		polled.add(request.GetMsgList())
		c.ACK(context.Background(), request, consumer.ConsumeSuccess)
		return polled.count() >= 40
	})
	j.sameElements("received", bodies, polled.bodies())
}

func pullFrom(j *judge) {
	topic := j.topic("topic", 2)
	p := j.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	queue := &primitive.MessageQueue{Topic: topic, BrokerName: j.brokerName, QueueId: 1}
	for _, body := range numbered("m", 20) {
		message := primitive.NewMessage(topic, []byte(body))
		message.Queue = queue
		j.send(p, message)
	}
	c := j.pullConsumer(j.named("group"), topic)
	result, err := c.PullFrom(context.Background(), queue, 5, 10)
	j.must(err, "pull")
	j.check(result.Status == primitive.PullFound, "status %v is found", result.Status)
	j.check(result.NextBeginOffset == 15 && result.MinOffset == 0 && result.MaxOffset == 20, "offsets are 15 0 20: %v", result)
	var bodies []string
	for _, message := range result.GetMessageExts() {
		bodies = append(bodies, string(message.Body))
	}
	j.check(fmt.Sprint(bodies) == fmt.Sprint(numbered("m", 15)[5:]), "messages 5 to 14: %v", bodies)
}

// requestReply warms its clients up first: this client is known to a broker only from the heartbeat one second after its start on.
func requestReply(j *judge) {
	topic := j.topic("topic", 2)
	warm := j.topic("warm", 1)
	replier := j.producer(producer.WithGroupName(j.named("replier")))
	requester := j.producer()
	j.sendAll(replier, warm, []string{"warm"})
	j.sendAll(requester, warm, []string{"warm"})
	handle := func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			// The client's own function takes a body for properties, so it gets none, and the body is set afterwards.
			reply, err := consumer.CreateReplyMessage(message, nil)
			if err == nil {
				reply.Body = []byte("re: " + string(message.Body))
				_, err = replier.SendSync(context.Background(), reply)
			}
			if err != nil {
				j.fact("reply failed: %v", err)
			}
		}
		return consumer.ConsumeSuccess, nil
	}
	j.push(j.named("group"), topic, consumer.MessageSelector{}, handle)
	time.Sleep(1500 * time.Millisecond)
	for _, body := range numbered("q", 3) {
		reply, err := requester.Request(context.Background(), 8*time.Second, primitive.NewMessage(topic, []byte(body)))
		j.must(err, "request")
		j.check(string(reply.Body) == "re: "+body, "reply to %s: %s", body, reply.Body)
	}
}
