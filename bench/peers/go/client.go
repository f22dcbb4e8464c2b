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
	call := func(int) int {
		_, err := p.SendSync(context.Background(), primitive.NewMessage(arguments[1], body))
		must(err)
		return 1
	}
	// Many first sends at once would each ask for the route, and some fail.
	call(0)
	measureLoad(number(arguments[2]), milliseconds(arguments[3]), milliseconds(arguments[4]), call)
	untilToldToEnd()
	must(p.Shutdown())
}

// client-receive NAME_SERVER TOPIC GROUP COUNT
func clientReceive(arguments []string) {
	quietClient()
	backlog := newBacklog(number(arguments[3]))
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer([]string{arguments[0]}),
		consumer.WithGroupName(arguments[2]),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	must(err)
	handle := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		backlog.add(len(messages))
		return consumer.ConsumeSuccess, nil
	}
	must(c.Subscribe(arguments[1], consumer.MessageSelector{}, handle))
	must(c.Start())
	backlog.untilDone()
	untilToldToEnd()
	must(c.Shutdown())
}
