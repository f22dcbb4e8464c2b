package main

import (
	"bytes"
	"context"
	"io"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
	"github.com/sirupsen/logrus"
)

func quietClient() {
	logrus.SetOutput(io.Discard)
	rlog.SetLogLevel("error")
}

// client-send NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES: the official Go client without a proxy.
func clientSend(arguments []string) {
	quietClient()
	p, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{arguments[0]}),
		producer.WithGroupName("peer-go"),
	)
	must(err)
	must(p.Start())
	body := bytes.Repeat([]byte("x"), number(arguments[5]))
	send := func() error {
		_, err := p.SendSync(context.Background(), primitive.NewMessage(arguments[1], body))
		return err
	}
	call := func(int) int {
		must(send())
		return 1
	}
	// Many first sends at once would each ask for the route, and some fail.
	eventually(send)
	measureLoad(number(arguments[2]), milliseconds(arguments[3]), milliseconds(arguments[4]), call)
	untilToldToEnd()
	must(p.Shutdown())
}

// startConsumer gives a consumer that reads a topic from its beginning. One that was not told a route in time ends for good: another one tries again.
func startConsumer(topic string, handle consumeFunction, options ...consumer.Option) rocketmq.PushConsumer {
	var started rocketmq.PushConsumer
	eventually(func() error {
		c, err := rocketmq.NewPushConsumer(append(options, consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))...)
		if err != nil {
			return err
		}
		if err := c.Subscribe(topic, consumer.MessageSelector{}, handle); err != nil {
			return err
		}
		started = c
		return c.Start()
	})
	return started
}

type consumeFunction = func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

// client-receive NAME_SERVER TOPIC GROUP COUNT
func clientReceive(arguments []string) {
	quietClient()
	backlog := newBacklog(number(arguments[3]))
	handle := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		backlog.add(len(messages))
		return consumer.ConsumeSuccess, nil
	}
	c := startConsumer(arguments[1], handle,
		consumer.WithNameServer([]string{arguments[0]}),
		consumer.WithGroupName(arguments[2]))
	backlog.untilDone()
	untilToldToEnd()
	must(c.Shutdown())
}
