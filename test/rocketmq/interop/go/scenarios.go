package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	api "interop/api/rocketmq"
)

const (
	callTimeout  = 60 * time.Second
	messageCount = 2_000
)

type scenario func(client api.RocketMQProxyClient, topic string) error

// scenarios are the same for each client, see interop.test.ts.
var scenarios = map[string]scenario{
	"stream":   subscribed(receiveAll),
	"large":    subscribed(echo(large)),
	"gzip":     subscribed(echo(large, zipped)),
	"unary":    subscribed(echo("Grüße 🚀")),
	"cancel":   subscribed(cancel),
	"deadline": subscribed(passDeadline),
	"error":    fail,
}

var (
	large  = strings.Repeat("größe 🚀 ", 30_000)
	zipped = grpc.UseCompressor(gzip.Name)
)

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

// subscription is a consumer that receives, and a producer of its topic.
type subscription struct {
	client     api.RocketMQProxyClient
	consumerId string
	producerId string
}

func subscribe(ctx context.Context, client api.RocketMQProxyClient, topic string) (*subscription, error) {
	consumer, err := client.CreateConsumer(ctx, &api.CreateConsumerRequest{Topic: topic, GroupId: topic})
	if err != nil {
		return nil, err
	}
	producer, err := client.CreateProducer(ctx, &api.CreateProducerRequest{Topic: topic})
	if err != nil {
		return nil, err
	}
	return &subscription{client, consumer.ConsumerId, producer.ProducerId}, nil
}

// subscribed is a scenario with a subscription of its own.
func subscribed(run func(ctx context.Context, own *subscription) error) scenario {
	return func(client api.RocketMQProxyClient, topic string) error {
		ctx, end := within()
		defer end()
		own, err := subscribe(ctx, client, topic)
		if err != nil {
			return err
		}
		return run(ctx, own)
	}
}

func (own *subscription) receive(ctx context.Context) (api.RocketMQProxy_ReceiveMessagesClient, error) {
	return own.client.ReceiveMessages(ctx, &api.ReceiveMessagesRequest{ConsumerId: own.consumerId})
}

func (own *subscription) send(ctx context.Context, body string, options ...grpc.CallOption) error {
	_, err := own.client.SendMessage(ctx, &api.SendMessageRequest{ProducerId: own.producerId, MessageBody: body}, options...)
	return err
}

func (own *subscription) ack(ctx context.Context, message *api.Message) error {
	_, err := own.client.AckMessage(ctx, &api.AckMessageRequest{ConsumerId: own.consumerId, ReceiptHandle: message.ReceiptHandle})
	return err
}

func echo(body string, options ...grpc.CallOption) func(ctx context.Context, own *subscription) error {
	return func(ctx context.Context, own *subscription) error {
		stream, err := own.receive(ctx)
		if err != nil {
			return err
		}
		if err := own.send(ctx, body, options...); err != nil {
			return err
		}
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		if message.MessageBody != body {
			return fmt.Errorf("sent %d bytes, received %d others", len(body), len(message.MessageBody))
		}
		return own.ack(ctx, message)
	}
}

// receiveAll sends messages side by side and acknowledges each as it comes. On a machine that stands still some are sent twice.
func receiveAll(ctx context.Context, own *subscription) error {
	stream, err := own.receive(ctx)
	if err != nil {
		return err
	}
	failures := make(chan error, 10*messageCount)
	var calls sync.WaitGroup
	for index := range messageCount {
		calls.Go(func() { failures <- own.send(ctx, fmt.Sprint(index)) })
	}
	bodies := map[string]bool{}
	for len(bodies) < messageCount {
		message, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("after %d messages: %w", len(bodies), err)
		}
		bodies[message.MessageBody] = true
		calls.Go(func() { failures <- own.ack(ctx, message) })
	}
	calls.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return err
}

// cancel leaves a message, which then comes again: its invisible time is longer than the call.
func cancel(ctx context.Context, own *subscription) error {
	left, leave := context.WithCancel(ctx)
	defer leave()
	stream, err := own.receive(left)
	if err != nil {
		return err
	}
	if err := own.send(ctx, "left"); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	leave()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		return fmt.Errorf("a cancelled stream ends with %v", err)
	}
	if stream, err = own.receive(ctx); err != nil {
		return err
	}
	message, err := stream.Recv()
	if err != nil {
		return err
	}
	if message.ReconsumeTimes < 1 {
		return fmt.Errorf("it comes again with reconsume_times %d", message.ReconsumeTimes)
	}
	return own.ack(ctx, message)
}

func passDeadline(ctx context.Context, own *subscription) error {
	soon, late := context.WithTimeout(ctx, 300*time.Millisecond)
	defer late()
	stream, err := own.receive(soon)
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("the stream ends with %v", err)
	}
	return nil
}

func fail(client api.RocketMQProxyClient, _ string) error {
	ctx, end := within()
	defer end()
	_, err := client.AckMessage(ctx, &api.AckMessageRequest{ConsumerId: "größe 100%"})
	failure := status.Convert(err)
	if failure.Code() != codes.NotFound || !strings.Contains(failure.Message(), "consumer_id is unknown here") {
		return fmt.Errorf("it fails with %v", err)
	}
	for _, detail := range failure.Details() {
		if info, isInfo := detail.(*errdetails.ErrorInfo); isInfo && info.Reason == "ID_NOT_FOUND" {
			return nil
		}
	}
	return fmt.Errorf("its details are %v", failure.Details())
}
